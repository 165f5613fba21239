// about: a changed C++20 coroutine: suspended ones have frames of the old code
// flags: -g -std=c++20
// matrix: -O0 | -O2 | clang -O0
// refused: a coroutine changes
#include <coroutine>
#include <cstdio>
#include <exception>

struct Generator {
  struct promise_type {
    int value = 0;
    Generator get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int n) {
      value = n;
      return {};
    }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

static Generator numbers(int factor) {
  for (int n = 1;; n++) co_yield n * factor;   // before
  for (int n = 1;; n++) co_yield n * factor * 10;   // after
}

extern "C" void call(int n) {
  Generator generator = numbers(1);
  for (int i = 0; i < n; i++) generator.handle.resume();
  std::printf("%d\n", generator.handle.promise().value);
  generator.handle.destroy();
}
