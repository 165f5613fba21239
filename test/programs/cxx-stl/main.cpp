// about: a function full of the standard library: map, string, vector, sort, stringstream
// flags: -g
// matrix: -O0 -std=c++17 | -O2 -std=c++20 | clang -O2 -std=c++20
// option: --function *described*
// changed: _ZL9describedv
// before: 1:b,2:a, | 3:b,4:a,
// after: a=6;b=5; | a=8;b=7;
// reverted: 9:b,10:a, | 11:b,12:a,
// changed by clang: _ZL9describedB5cxx11v
#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

static std::map<std::string, int> seen;

__attribute__((noinline)) static std::string described() {
  std::vector<std::pair<int, std::string>> order;   // before
  for (const auto &[name, count] : seen) order.emplace_back(count, name);   // before
  std::sort(order.begin(), order.end());   // before
  std::ostringstream text;
  for (const auto &[count, name] : order) text << count << ':' << name << ',';   // before
  for (const auto &[name, count] : seen) text << name << '=' << count << ';';   // after
  return text.str();
}

extern "C" void call(int n) {
  static int calls;
  seen["b"] = ++calls;
  seen["a"] = ++calls;
  std::printf("%s\n", described().c_str());
}
