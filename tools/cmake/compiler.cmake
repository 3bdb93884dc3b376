# Which compiler builds Sinew, and with which flags. Included once, before any target.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "g++ ${CMAKE_CXX_COMPILER_VERSION} is refused: it destroys temporaries of a co_await expression twice "
    "(docs/decisions/0001-clang-19-and-cpp23.md). Build with clang 19: './dev build' installs and selects it.")
endif()
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} is not supported; Sinew is built with clang 19 or "
    "newer. './dev build' installs and selects it.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

set(SINEW_SANITIZE "" CACHE STRING "address, thread, fuzz, or empty for none")
set_property(CACHE SINEW_SANITIZE PROPERTY STRINGS "" address thread fuzz)

# -Wgnu-statement-expression is off because TRY is one (src/base/result.h says why).
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wpedantic -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wextra-semi -Wunused -Wnull-dereference -Wthread-safety
  -Wno-gnu-statement-expression-from-macro-expansion -Wno-gnu-statement-expression -Werror
  -fdiagnostics-color=always)
add_link_options(-fuse-ld=lld)

# The same paths in messages whatever folder the clone lies in, so that builds are repeatable. ccache hands relative
# paths to the compiler.
file(RELATIVE_PATH upwards "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}")
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=" "-ffile-prefix-map=${upwards}="
  "-ffile-prefix-map=${CMAKE_BINARY_DIR}/=build/")

if(SINEW_SANITIZE STREQUAL "address" OR SINEW_SANITIZE STREQUAL "fuzz")
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
  if(SINEW_SANITIZE STREQUAL "fuzz")
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
  add_compile_options(${sanitizers} -O1 -g1 -fno-omit-frame-pointer)
  add_link_options(${sanitizers})
elseif(SINEW_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -O1 -g1 -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2")
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    -ftrivial-auto-var-init=zero -fcf-protection=full)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
else()
  add_compile_options(-O0 -g1)
endif()
