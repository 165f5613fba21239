// about: patches that come and go while threads throw exceptions all the time, some of them through changed functions
// flags: -g -O2 -pthread
// scenario: threads.test.ts
#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<long> rounds;
static std::atomic<int> wrong;

struct Cleaned {
  std::string text;
  ~Cleaned() { rounds++; }
};

__attribute__((noinline)) void thrower(int n) {
  throw std::runtime_error("a text that is too long for the string itself " + std::to_string(n));   // before
  throw std::out_of_range("another text, too long for the string itself " + std::to_string(n));   // after
}

__attribute__((noinline)) int caught(int n) {
  Cleaned cleaned{std::string(40, 'x')};
  try {
    thrower(n);
  } catch (const std::logic_error &) {
    return n + 100;   // after
    return -1;
  } catch (const std::exception &) {
    return n;
  }
  return -2;
}

__attribute__((noinline)) static void elsewhere(int n) {
  try {
    Cleaned cleaned{std::string(50, 'y')};
    throw n;
  } catch (int) {
  }
}

static void workElsewhere() {
  for (int n = 0;; n++) elsewhere(n);
}

static void work() {
  for (int n = 0;; n++) {
    std::this_thread::sleep_for(std::chrono::microseconds(500));
    const int result = caught(n);
    // A body that was entered before a change may meet the other version's exception.
    if (result != n && result != n + 100 && result != -1) wrong++;
  }
}

extern "C" void call(int n) {
  static std::vector<std::thread> threads;
  if (threads.empty())
    for (int i = 0; i < 3; i++) threads.emplace_back(i == 0 ? work : workElsewhere);
  const long before = rounds;
  while (rounds < before + 1000) std::this_thread::yield();
  std::printf("%d %d\n", caught(n), wrong.load());
}
