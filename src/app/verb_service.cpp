#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "app/node_client.h"
#include "app/systemd_unit.h"
#include "app/verbs.h"
#include "node/state_folder.h"
#include "os/error.h"
#include "os/file.h"
#include "os/run.h"

namespace sinew::app {
namespace {

constexpr std::size_t kMaxUnitFile = 64 << 10;
constexpr std::string_view kUnitFolder = "/etc/systemd/system";

struct Unit {
  std::string name;  // "sinew.service"
  std::string path() const { return std::string(kUnitFolder) + "/" + name; }
};

Result<Unit> unit_of(const Invocation& invocation) {
  const std::string_view name = invocation.value("unit").value_or("sinew");
  if (!is_unit_name(name))
    return Error{ErrorKind::kInvalid, "not the name of a unit: " + std::string(name)};
  return Unit{std::string(name) + ".service"};
}

Result<std::string> path_of_program() {
  std::array<char, 4096> room;
  const ssize_t size = ::readlink("/proc/self/exe", room.data(), room.size());
  if (size <= 0) return os::system_error("find the program's own path");
  return std::string(room.data(), static_cast<std::size_t>(size));
}

Result<std::string> absolute(std::string path) {
  if (path.starts_with('/')) return path;
  std::array<char, 4096> room;
  if (::getcwd(room.data(), room.size()) == nullptr)
    return os::system_error("find the current folder");
  return std::string(room.data()) + "/" + path;
}

// As sd_booted(3) finds out.
bool is_systemd_running() {
  struct stat facts{};
  return ::lstat("/run/systemd/system", &facts) == 0 && S_ISDIR(facts.st_mode);
}

Result<> systemctl(std::vector<std::string> words) {
  words.insert(words.begin(), "systemctl");
  os::ChildOptions program;
  program.argv = std::move(words);
  TRY(os::run_checked(std::move(program)));
  return {};
}

// Whose file it is; nothing when there is none.
Result<bool> is_there(const Unit& unit) {
  const auto text = os::read_file(unit.path(), kMaxUnitFile);
  if (!text && text.error().kind == ErrorKind::kNotFound) return false;
  if (!text) return text.error();
  if (text->starts_with(kUnitMark)) return true;
  return Error{ErrorKind::kConflict, unit.path() + " was not written by 'sinew service install'"};
}

Failure explain(Error error) {
  std::string next_step;
  if (error.kind == ErrorKind::kDenied) {
    next_step = "Run it as root; --print shows the unit without installing it.";
  } else if (error.kind == ErrorKind::kConflict) {
    next_step = "Remove it yourself, or choose another name: --unit NAME.";
  } else if (error.message.starts_with("systemctl")) {
    next_step = "'journalctl -u sinew' and 'systemctl status sinew' say more.";
  }
  return {.error = std::move(error), .next_step = std::move(next_step)};
}

// ------------------------------------------------------------------------------------- installing

struct Steps {
  Value::List done;
  std::string next;
};

Value to_value(const Unit& unit, Steps steps) {
  Value::Record record{{"unit", unit.path()}, {"done", Value(std::move(steps.done))}};
  if (!steps.next.empty()) record.push_back({"next", steps.next});
  return Value(std::move(record));
}

// Whether it can be started at once, and if not, what has to happen first.
Result<std::string> what_is_missing(const std::string& path, const Unit& unit) {
  const node::StateFolder folder = TRY(node::StateFolder::open(path));
  const std::string starting = "systemctl enable --now " + unit.name;
  if (!TRY(folder.load_configuration()) || !TRY(folder.load_secret())) {
    return "say once how to start: 'sinew start … --state-dir " + path +
           "', and end that with 'sinew stop'; then '" + starting + "'";
  }
  const auto lock = folder.lock();
  if (lock) return std::string();
  if (lock.error().kind != ErrorKind::kConflict) return lock.error();
  return "a node runs already: 'sinew stop --state-dir " + path + " && " + starting + "'";
}

Result<Answer> install(const Invocation& invocation) {
  const Unit unit = TRY(unit_of(invocation));
  const std::string folder = TRY(absolute(state_folder_of(invocation)));
  const std::string text =
      TRY(systemd_unit({.program = TRY(path_of_program()), .state_folder = folder}));
  if (invocation.has("print")) {
    const Value value = Value::record({{"unit", unit.path()}, {"text", text}});
    if (invocation.format() == Format::kJson) return Answer{.value = value};
    return Answer{.value = value, .text = text};
  }
  TRY(is_there(unit));
  const std::string missing = TRY(what_is_missing(folder, unit));
  TRY(os::write_file(unit.path(), text, 0644));
  Steps steps{.done = {Value("wrote the unit")}, .next = missing};
  if (!is_systemd_running()) {
    steps.next =
        "systemd does not run here; where it does, " +
        (missing.empty() ? "'systemctl enable --now " + unit.name + "' starts it" : missing);
    return Answer{.value = to_value(unit, std::move(steps))};
  }
  TRY(systemctl({"daemon-reload"}));
  steps.done.emplace_back("had systemd read it");
  if (missing.empty()) {
    TRY(systemctl({"enable", "--now", unit.name}));
    steps.done.emplace_back("started it, now and at every boot");
  }
  return Answer{.value = to_value(unit, std::move(steps))};
}

Result<Answer> uninstall(const Invocation& invocation) {
  const Unit unit = TRY(unit_of(invocation));
  if (!TRY(is_there(unit))) {
    return Answer{.value = to_value(unit, {.done = {}, .next = "nothing: there is no such unit"})};
  }
  Steps steps;
  if (is_systemd_running()) {
    TRY(systemctl({"disable", "--now", unit.name}));
    steps.done.emplace_back("stopped it, now and at every boot");
  }
  if (::unlink(unit.path().c_str()) != 0) return os::system_error("remove " + unit.path());
  steps.done.emplace_back("removed the unit");
  if (is_systemd_running()) TRY(systemctl({"daemon-reload"}));
  return Answer{.value = to_value(unit, std::move(steps))};
}

Outcome run_install(const Invocation& invocation) {
  auto done = install(invocation);
  if (!done) return explain(std::move(done).error());
  return *std::move(done);
}

Outcome run_uninstall(const Invocation& invocation) {
  auto done = uninstall(invocation);
  if (!done) return explain(std::move(done).error());
  return *std::move(done);
}

Option unit_option() {
  return {.name = "unit",
          .value = "NAME",
          .summary = "The unit's name, for several nodes on a machine; sinew by default"};
}

}  // namespace

Verb service_install_verb() {
  return {
      .name = "service install",
      .summary = "Have systemd start the node at every boot",
      .description =
          "Writes a systemd unit that runs 'sinew start --foreground' with what was kept in the "
          "state folder, starts it, and says what it did. The unit lets the node do what it has "
          "to and nothing else. Where systemd does not run, as in an image that is being built, "
          "it writes the unit and says what remains to be done.",
      .options = {{.name = "print", .summary = "Show the unit, and change nothing"},
                  unit_option(),
                  state_folder_option()},
      .examples = {{"sinew service install", "From now on, at every boot"},
                   {"sinew service install --print", "Read it first"},
                   {"sinew service install --unit sinew-lab --state-dir /var/lib/sinew-lab",
                    "A second node beside the first"}},
      .run = run_install,
  };
}

Verb service_uninstall_verb() {
  return {
      .name = "service uninstall",
      .summary = "End what 'service install' began",
      .description =
          "Stops the node, and removes the unit. The state folder stays, so that the machine is "
          "the same member of its network when it comes back.",
      .options = {unit_option()},
      .examples = {{"sinew service uninstall", "No longer at boot"}},
      .run = run_uninstall,
  };
}

}  // namespace sinew::app
