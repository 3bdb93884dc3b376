// How answers look: JSON for programs, aligned columns for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/value.h"

namespace sinew::app {

enum class Format { kTable, kWide, kJson };

// A column of a table of records.
struct Column {
  std::string_view field;
  std::string_view title;
  bool is_wide = false;  // shown by -o wide only
};

// What a verb answers. `columns` say how a list of records becomes a table; without them its first
// record does.
struct Answer {
  Value value;
  std::vector<Column> columns = {};
  // Shown as it is in place of a table, when not empty. Written by this program alone: text from
  // elsewhere goes into `value`, which is made harmless.
  std::string text = {};
  // The verb has written it all to its Console; nothing is left to show.
  bool is_written = false;
};

// Ends with a line feed unless it is empty. Numbers stand to the right of their column.
std::string render(const Answer& answer, Format format, bool has_colour);

// How many columns of a terminal UTF-8 text takes, when each character takes one.
std::size_t width_of(std::string_view text);

}  // namespace sinew::app
