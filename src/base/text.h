// Text from strangers is data. Whatever a node, a peer or a file supplied goes through here before
// it reaches a terminal or a log line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sinew {

// Shows `text` harmlessly: control characters (C0, DEL, C1), bytes that are not UTF-8, and
// characters that reorder or hide text become escapes such as \n, \x1b or \u{202e}; a backslash
// becomes two.
std::string escape_for_terminal(std::string_view text);

// Appends `text` as the inside of a JSON string, with the same characters escaped; bytes that are
// not UTF-8 become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);
// The same between quotes: a JSON string.
void append_json_string(std::string& out, std::string_view text);
// Appends a JSON number, a double with as few digits as say exactly which one it is. What JSON has
// no number for, such as infinity, becomes null.
void append_json_number(std::string& out, std::int64_t value);
void append_json_number(std::string& out, std::uint64_t value);
void append_json_number(std::string& out, double value);

// How many single-character edits (insert, delete, replace, swap of neighbours) lead from one word
// to the other.
std::size_t edit_distance(std::string_view from, std::string_view to);

}  // namespace sinew
