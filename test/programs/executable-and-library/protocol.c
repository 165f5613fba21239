#include "protocol.h"

int respond(int n, int version) {
  return version == 1 ? n * 10 : -1;     // before
  return version == 2 ? n * 10 + 1 : -1; // after
}
