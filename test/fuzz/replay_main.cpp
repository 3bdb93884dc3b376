// Replays a committed fuzz corpus through a fuzz target, so that every machine repeats what the
// fuzzer once found. Prints the same closing line as a test program; an empty corpus is a failure,
// because it proves nothing.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  std::size_t replayed = 0;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], missing)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++replayed;
  }
  std::printf("[replay] inputs: %zu\n", replayed);
  std::printf("[doctest] test cases: 1 | %d passed | %d failed | 0 skipped\n", replayed > 0,
              replayed == 0);
  return replayed > 0 ? 0 : 1;
}
