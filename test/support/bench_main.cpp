// The main() of every benchmark program. A benchmark named "table/column/row" becomes a cell of a
// table: nanoseconds per item, and how many times faster than the first row of its column. That
// first row is a peer, measured in the same run: each figure is the median of several repetitions
// in random order, so that a machine whose speed drifts is as unfair to one as to the other.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace {

struct Cell {
  std::string row;
  std::int64_t rank = 0;  // in the order of registration
  std::vector<double> nanoseconds;

  double median() const {
    std::vector<double> sorted = nanoseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};
struct Column {
  std::string name;
  std::vector<Cell> cells;
};
struct Table {
  std::string name;
  std::vector<Column> columns;
};

template <typename Named>
Named& find_or_add(std::vector<Named>& list, const std::string& name, std::string Named::* key) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Named& one) { return one.*key == name; });
  if (found != list.end()) return *found;
  list.emplace_back().*key = name;
  return list.back();
}

double nanoseconds_per_item(const benchmark::BenchmarkReporter::Run& run) {
  const auto rate = run.counters.find("items_per_second");
  if (rate != run.counters.end()) return 1e9 / rate->second.value;
  return run.GetAdjustedCPUTime();
}

class TableReporter final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type == Run::RT_Iteration) add(run);
    }
  }

  // The runs come in random order; the tables are read in the order of registration.
  void Finalize() override {
    for (Table& table : tables_) {
      for (Column& column : table.columns)
        std::ranges::sort(column.cells, {}, &Cell::rank);
      std::ranges::sort(table.columns, {},
                        [](const Column& one) { return one.cells.front().rank; });
    }
    std::ranges::sort(tables_, {},
                      [](const Table& one) { return one.columns.front().cells.front().rank; });
    for (const Table& table : tables_)
      print(table);
  }

 private:
  static std::vector<std::string> split(const std::string& name) {
    const std::size_t first = name.find('/');
    const std::size_t second = first == std::string::npos ? first : name.find('/', first + 1);
    if (second == std::string::npos) return {"others", "", name};
    return {name.substr(0, first), name.substr(first + 1, second - first - 1),
            name.substr(second + 1)};
  }

  void add(const Run& run) {
    const std::vector<std::string> parts = split(run.run_name.function_name);
    Table& table = find_or_add(tables_, parts[0], &Table::name);
    Column& column = find_or_add(table.columns, parts[1], &Column::name);
    Cell& cell = find_or_add(column.cells, parts[2], &Cell::row);
    cell.rank = run.family_index;
    cell.nanoseconds.push_back(nanoseconds_per_item(run));
  }

  static void print(const Table& table) {
    std::vector<std::string> rows;
    for (const Column& column : table.columns) {
      for (const Cell& cell : column.cells) {
        if (std::find(rows.begin(), rows.end(), cell.row) == rows.end()) rows.push_back(cell.row);
      }
    }
    std::printf("\n%-26s", table.name.c_str());
    for (const Column& column : table.columns)
      std::printf("%18s", column.name.c_str());
    std::printf("\n");
    for (const std::string& row : rows)
      print_row(table, row);
  }

  static void print_row(const Table& table, const std::string& row) {
    std::printf("  %-24s", row.c_str());
    for (const Column& column : table.columns) {
      const auto cell = std::find_if(column.cells.begin(), column.cells.end(),
                                     [&](const Cell& one) { return one.row == row; });
      if (cell == column.cells.end() || cell->nanoseconds.empty()) {
        std::printf("%18s", "-");
      } else if (column.cells.front().nanoseconds.empty()) {
        std::printf("%11.0f       ", cell->median());
      } else {
        std::printf("%11.0f %5.2fx", cell->median(),
                    column.cells.front().median() / cell->median());
      }
    }
    std::printf("\n");
  }

  std::vector<Table> tables_;
};

}  // namespace

int main(int argc, char** argv) {
  // Later options win, so that the command line has the last word.
  std::vector<std::string> words = {argv[0], "--benchmark_repetitions=5",
                                    "--benchmark_min_time=0.05",
                                    "--benchmark_enable_random_interleaving=true"};
  words.insert(words.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  for (std::string& word : words)
    pointers.push_back(word.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;

  std::printf(
      "Nanoseconds per item, and how many times faster than the first row. Medians of "
      "interleaved runs; please wait.\n");
  std::fflush(stdout);
  TableReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
}
