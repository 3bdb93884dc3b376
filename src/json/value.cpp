#include "json/value.h"

#include <algorithm>

#include "base/text.h"

namespace sinew::json {
namespace {

class Writer {
 public:
  explicit Writer(Layout layout) : is_indented_(layout == Layout::kIndented) {}

  void append(const Value& value) {
    const auto append_held = [this]<typename T>(const T& held) {
      if constexpr (std::same_as<T, std::monostate>) {
        out_ += "null";
      } else if constexpr (std::same_as<T, bool>) {
        out_ += held ? "true" : "false";
      } else if constexpr (std::same_as<T, std::string>) {
        append_json_string(out_, held);
      } else if constexpr (std::same_as<T, Value::Array>) {
        append_block('[', held, ']', [this](const Value& item) { append(item); });
      } else if constexpr (std::same_as<T, Value::Object>) {
        append_block('{', held, '}', [this](const Value::Member& member) { append(member); });
      } else {
        append_json_number(out_, held);
      }
    };
    std::visit(append_held, value.held());
  }

  std::string release() { return std::move(out_); }

 private:
  void append(const Value::Member& member) {
    append_json_string(out_, member.name);
    out_ += is_indented_ ? ": " : ":";
    append(member.value);
  }

  template <typename Items, typename AppendItem>
  void append_block(char opening, const Items& items, char closing, AppendItem append_item) {
    out_ += opening;
    ++depth_;
    bool is_first = true;
    for (const auto& item : items) {
      if (!is_first) out_ += ',';
      is_first = false;
      break_line();
      append_item(item);
    }
    --depth_;
    if (!is_first) break_line();
    out_ += closing;
  }

  void break_line() {
    if (!is_indented_) return;
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  bool is_indented_;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

const Value* Value::find(std::string_view name) const {
  const Object* object = as_object();
  if (object == nullptr) return nullptr;
  const auto member = std::ranges::find(*object, name, &Member::name);
  return member == object->end() ? nullptr : &member->value;
}

bool operator==(const Value& left, const Value& right) {
  return left.held_ == right.held_;
}

std::string write(const Value& value, Layout layout) {
  Writer writer(layout);
  writer.append(value);
  return writer.release();
}

}  // namespace sinew::json
