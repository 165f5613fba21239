// about: a function that a suspended C++20 coroutine calls when it goes on
// flags: -g -std=c++20
// matrix: -O0 | -O2 | clang -O2
// before: 10 | 20
// after: 60 | 80
// reverted: 50 | 60
// changed: _Z6scaledi
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

__attribute__((noinline)) int scaled(int n) {
  return n * 10;   // before
  return n * 20;   // after
}

static Generator numbers() {
  for (int n = 1;; n++) co_yield scaled(n);
}

static Generator kept = numbers();

extern "C" void call(int) {
  kept.handle.resume();
  std::printf("%d\n", kept.handle.promise().value);
}
