// What the machine has and what this process may use of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace easel {

struct MemoryInfo {
  uint64_t total_bytes;      // physical memory of the machine
  uint64_t available_bytes;  // what this process can still take: free memory, cgroup and ulimit considered
  // The same without `ulimit -v` and `-d`, which count files as soon as they are mapped and only what is allocated.
  uint64_t resident_bytes;
};
// `root` stands in for the file system's root in tests.
MemoryInfo memory_info(const std::filesystem::path& root = "/");

uint64_t resident_bytes();       // memory of this process now, mapped files included
uint64_t peak_resident_bytes();  // the largest it has been

int processor_count();         // processors this process may run on
std::string processor_name();  // "Intel(R) Xeon(R) Processor"

bool standard_error_is_terminal();
int terminal_width();  // columns of standard error; 80 where it is no terminal

std::filesystem::path executable_path();

// To be called first in main(): makes threads that wait for each other sleep soon instead of spinning for milliseconds,
// which takes the processor from the very threads they wait for when other programs run too (a thousandfold slower with
// 20 of them). OpenMP reads this once, when a program is loaded, so this starts the program anew with GOMP_SPINCOUNT
// set; not if the user has set that or OMP_WAIT_POLICY, or binds threads to processors by OpenMP's variables.
void limit_spinning(char** argv);

// From now on SIGINT and SIGTERM set a flag instead of ending the process; a second one ends it at once.
void catch_interrupts();
bool interrupted();

}  // namespace easel
