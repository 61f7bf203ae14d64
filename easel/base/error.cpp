#include "easel/base/error.h"

#include <cstdio>
#include <cstdlib>

namespace easel {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "easel: internal error: %s is false (%s:%d); please report it\n", condition, file, line);
  std::abort();
}

}  // namespace easel
