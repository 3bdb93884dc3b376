// The bodies of fmt, compiled once for the whole program. Its header-only form compiles them again
// in every file that formats, which takes such a file twice as long, and Debian's library is a
// shared one, which the program would then need wherever it runs.
#include <fmt/format-inl.h>

// What fmt/format.h declares extern and format-inl.h leaves to the library.
template fmt::detail::thousands_sep_result<char> fmt::detail::thousands_sep_impl(locale_ref);
template char fmt::detail::decimal_point_impl(locale_ref);
