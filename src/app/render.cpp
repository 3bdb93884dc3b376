#include "app/render.h"

#include <algorithm>

#include "base/text.h"

namespace sinew::app {
namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::size_t kGap = 2;  // blanks between columns

struct Cell {
  std::string text;
  bool is_number = false;
};
using Row = std::vector<Cell>;

Cell cell_of(const Value* value) {
  if (value == nullptr) return {.text = "-"};
  return {.text = value->to_line(), .is_number = value->is_number()};
}

std::vector<Column> columns_of(const Answer& answer, const Value::List& records, Format format) {
  std::vector<Column> columns = answer.columns;
  if (columns.empty() && !records.empty() && records.front().as_record() != nullptr) {
    for (const Value::Field& field : *records.front().as_record())
      columns.push_back({.field = field.name, .title = field.name});
  }
  if (format != Format::kWide) std::erase_if(columns, &Column::is_wide);
  return columns;
}

// Every column as wide as its widest cell, no blanks at the end of a line.
std::string align(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i].text));
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - width_of(row[i].text), ' ');
      line += row[i].is_number ? blanks + row[i].text : row[i].text + blanks;
      line.append(kGap, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string render_table(const Answer& answer, const Value::List& records, Format format,
                         bool has_colour) {
  const std::vector<Column> columns = columns_of(answer, records, format);
  std::vector<Row> rows(1);
  for (const Column& column : columns) {
    const bool is_number =
        !records.empty() && cell_of(records.front().find(column.field)).is_number;
    rows[0].push_back({.text = escape_for_terminal(column.title), .is_number = is_number});
  }
  for (const Value& record : records) {
    Row& row = rows.emplace_back();
    for (const Column& column : columns)
      row.push_back(cell_of(record.find(column.field)));
  }
  std::string out = align(rows);
  if (has_colour) {
    out.insert(out.find('\n'), kPlain);
    out.insert(0, kBold);
  }
  return out;
}

std::string render_record(const Value::Record& record) {
  std::vector<Row> rows;
  for (const Value::Field& field : record)
    rows.push_back({{.text = escape_for_terminal(field.name)}, {.text = field.value.to_line()}});
  return align(rows);
}

}  // namespace

std::string render(const Answer& answer, Format format, bool has_colour) {
  if (answer.is_written) return "";
  if (format == Format::kJson) return answer.value.to_json() + '\n';
  if (!answer.text.empty()) return answer.text;
  if (const Value::Record* record = answer.value.as_record()) return render_record(*record);
  const Value::List* list = answer.value.as_list();
  if (list == nullptr) return answer.value == Value() ? "" : answer.value.to_line() + '\n';
  const bool has_columns =
      !answer.columns.empty() || (!list->empty() && list->front().as_record() != nullptr);
  if (has_columns) return render_table(answer, *list, format, has_colour);
  std::string out;
  for (const Value& item : *list)
    out += item.to_line() + '\n';
  return out;
}

std::size_t width_of(std::string_view text) {
  const auto starts_character = [](char c) { return (c & 0xc0) != 0x80; };
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_character));
}

}  // namespace sinew::app
