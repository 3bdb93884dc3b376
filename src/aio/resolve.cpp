#include "aio/resolve.h"

#include <atomic>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "aio/readiness.h"
#include "os/event_fd.h"
#include "os/mutex.h"
#include "os/resolve.h"

namespace sinew::aio {
namespace {

// Shared by the task and the thread, whichever ends last. The thread writes the answer before it
// raises `answered`, and the task reads it after.
struct Question {
  explicit Question(os::EventFd wake) : answered(std::move(wake)) { ++count; }
  ~Question() { --count; }

  static std::atomic<int> count;

  void set(Result<std::vector<IpAddress>> found) {
    {
      const os::MutexLock lock(mutex);
      answer = std::move(found);
    }
    answered.raise();
  }
  Result<std::vector<IpAddress>> take() {
    const os::MutexLock lock(mutex);
    return std::move(answer);
  }

  os::EventFd answered;
  os::Mutex mutex;
  Result<std::vector<IpAddress>> answer SINEW_GUARDED_BY(mutex);
};

std::atomic<int> Question::count = 0;

void ask(const std::shared_ptr<Question>& question, const std::string& host) {
  question->set(os::resolve(host));
}

Result<std::shared_ptr<Question>> begin_question(const std::string& host) {
  if (Question::count >= kMaxQuestions)
    return Error{ErrorKind::kOverloaded, "find " + host + ": too many names at a time"};
  auto question = std::make_shared<Question>(TRY(os::EventFd::create()));
  try {
    // tidy: allow banned-calls (getaddrinfo(3) cannot be interrupted: to join it would be to wait)
    std::thread(ask, question, host).detach();
  } catch (const std::system_error&) {
    return Error{ErrorKind::kOverloaded, "find " + host + ": no thread to be had"};
  }
  return question;
}

}  // namespace

Task<Result<std::vector<IpAddress>>> resolve(Runtime& runtime, std::string host) {
  if (const auto address = IpAddress::parse(host)) co_return std::vector{*address};
  const Result<std::shared_ptr<Question>> question = begin_question(host);
  if (!question) co_return question.error();
  Result<Readiness> readiness = Readiness::watch(runtime, (*question)->answered.fd());
  if (!readiness) co_return readiness.error();
  const Result<> answered = co_await readiness->readable();
  if (!answered) co_return answered.error();
  co_return (*question)->take();
}

}  // namespace sinew::aio
