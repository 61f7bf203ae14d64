# The system packages that easel needs, as Debian 12 and Ubuntu 24.04 name them. Sourced by tools/setup.sh.

run_packages=(
  g++ cmake ninja-build pkg-config
  libdnnl-dev ocl-icd-opencl-dev libhwy-dev         # arithmetic (oneDNN is for bf16; its package asks for OpenCL headers)
  libpng-dev libjpeg-dev libwebp-dev zlib1g-dev     # images
  libfreetype-dev fonts-dejavu-core                 # labels in images
  libyaml-cpp-dev nlohmann-json3-dev                # checkpoints, configurations
  libutf8proc-dev                                   # prompts
  nettle-dev                                        # hashes, base64
  libcli11-dev libfmt-dev libspdlog-dev             # the program
  libboost-dev libsqlite3-dev                       # the server (Boost's headers alone)
)

test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev
  clang-format-14 clang-tidy-14 # their verdicts differ between versions
  python3
  nodejs                        # the web page's, and clients of the HTTP APIs
)
# NodeSource's package of nodejs brings npm along and cannot stand beside the distribution's.
command -v npm >/dev/null || test_packages+=(npm)
# Ubuntu has Chromium as a snap only, so the tests of the web page in a browser are skipped there.
grep -qs '^ID=ubuntu' /etc/os-release || test_packages+=(chromium)
