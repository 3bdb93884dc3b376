# The shapes a target can have. Every helper finds files by name, so that adding a file needs no edit here.

# sinew_module(name [DEPS module...] [LIBS library...] [TEST_LIBS library...] [THREADED] [OPTIMISED])
#
# Makes from src/<name>: the library `sinew_<name>` (x.cpp, without main.cpp), the test program `<name>_test`
# (x_test.cpp, run by ctest under the label `unit`), the benchmark `<name>_bench` (x_bench.cpp) and a check that each
# header compiles by itself and twice. THREADED: it starts threads, so its tests run under TSan as well. OPTIMISED: its
# tests run in the release tree as well, because the optimiser could break a promise of the module.
function(sinew_module name)
  cmake_parse_arguments(arg "THREADED;OPTIMISED" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  set(dir "${CMAKE_CURRENT_SOURCE_DIR}/${name}")
  file(GLOB headers CONFIGURE_DEPENDS "${dir}/*.h")
  file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.cpp")
  file(GLOB tests CONFIGURE_DEPENDS "${dir}/*_test.cpp")
  file(GLOB benches CONFIGURE_DEPENDS "${dir}/*_bench.cpp")
  list(REMOVE_ITEM sources ${tests} ${benches} "${dir}/main.cpp")

  list(TRANSFORM arg_DEPS PREPEND "sinew_")
  if(sources)
    add_library(sinew_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(sinew_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(sinew_${name} ${scope} "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(sinew_${name} ${scope} ${arg_DEPS} ${arg_LIBS})

  sinew_header_check(${name} sinew_${name} ${headers})
  if(tests)
    set(labels unit)
    if(arg_THREADED)
      list(APPEND labels threaded)
    endif()
    if(arg_OPTIMISED)
      list(APPEND labels optimised)
    endif()
    sinew_test(${name}_test LABELS ${labels} SOURCES ${tests} LIBS sinew_${name} ${arg_TEST_LIBS})
  endif()
  if(benches)
    sinew_bench(${name}_bench SOURCES ${benches} LIBS sinew_${name} ${arg_TEST_LIBS})
  endif()
endfunction()

# sinew_header_check(name library header...): one object file per header, includes in no other order than its own.
function(sinew_header_check name library)
  set(units "")
  foreach(header IN LISTS ARGN)
    file(RELATIVE_PATH relative "${CMAKE_SOURCE_DIR}/src" "${header}")
    cmake_path(GET header STEM stem)
    set(unit "${CMAKE_BINARY_DIR}/headers/${name}/${stem}.cpp")
    file(CONFIGURE OUTPUT "${unit}" @ONLY
      CONTENT "#include \"${relative}\"\n#include \"${relative}\"  // twice: the guard holds\n")
    list(APPEND units "${unit}")
  endforeach()
  if(units)
    add_library(${name}_headers OBJECT ${units})
    target_link_libraries(${name}_headers PRIVATE ${library})
  endif()
endfunction()

# sinew_program(name MODULE module [ALIASES name...]): the program <name>, left at the top of the
# build folder; main() is src/<module>/main.cpp, all else is the module's library, so that tests
# reach it. ALIASES are links beside it.
function(sinew_program name)
  cmake_parse_arguments(arg "" "MODULE" "ALIASES" ${ARGN})
  add_executable(${name} "${CMAKE_CURRENT_SOURCE_DIR}/${arg_MODULE}/main.cpp")
  target_link_libraries(${name} PRIVATE sinew_${arg_MODULE})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
  foreach(alias IN LISTS arg_ALIASES)
    add_custom_command(TARGET ${name} POST_BUILD VERBATIM
      COMMAND "${CMAKE_COMMAND}" -E create_symlink ${name} "${CMAKE_BINARY_DIR}/${alias}")
  endforeach()
endfunction()

# sinew_test(name LABELS label... SOURCES file... LIBS library...): a doctest program known to ctest. The target
# tests_<label> builds all programs of a label.
function(sinew_test name)
  cmake_parse_arguments(arg "" "" "LABELS;SOURCES;LIBS" ${ARGN})
  if(NOT TARGET doctest_main)
    add_library(doctest_main OBJECT "${CMAKE_SOURCE_DIR}/test/support/doctest_main.cpp")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/test")  # "support/x.h"
  target_link_libraries(${name} PRIVATE doctest_main ${arg_LIBS})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600)
  foreach(label IN LISTS arg_LABELS)
    if(NOT TARGET tests_${label})
      add_custom_target(tests_${label})
    endif()
    add_dependencies(tests_${label} ${name})
  endforeach()
endfunction()

# sinew_bench(name SOURCES file... LIBS library...): a Google Benchmark program, built in release trees only, because
# figures from any other build mislead.
function(sinew_bench name)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  find_package(benchmark REQUIRED)
  add_executable(${name} EXCLUDE_FROM_ALL ${arg_SOURCES} "${CMAKE_SOURCE_DIR}/test/support/bench_main.cpp")
  target_link_libraries(${name} PRIVATE ${arg_LIBS} benchmark::benchmark)
endfunction()

# sinew_fuzz_target(name LIBS library...): test/fuzz/<name>_fuzz.cpp. In the fuzz tree it is a libFuzzer program; in
# every tree it is also a test that replays the committed corpus in test/fuzz/corpus/<name>.
function(sinew_fuzz_target name)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  set(source "${CMAKE_SOURCE_DIR}/test/fuzz/${name}_fuzz.cpp")
  set(corpus "${CMAKE_SOURCE_DIR}/test/fuzz/corpus/${name}")
  if(SINEW_SANITIZE STREQUAL "fuzz")
    add_executable(${name}_fuzz "${source}")
    target_include_directories(${name}_fuzz PRIVATE "${CMAKE_SOURCE_DIR}/test")
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name}_fuzz PRIVATE ${arg_LIBS})
    return()
  endif()
  add_executable(${name}_replay "${source}" "${CMAKE_SOURCE_DIR}/test/fuzz/replay_main.cpp")
  target_include_directories(${name}_replay PRIVATE "${CMAKE_SOURCE_DIR}/test")
  target_link_libraries(${name}_replay PRIVATE ${arg_LIBS})
  add_test(NAME ${name}_replay COMMAND ${name}_replay "${corpus}")
  set_tests_properties(${name}_replay PROPERTIES LABELS "fuzz" TIMEOUT 120)
endfunction()

# sinew_build_info(library): gives the library build_info() of app/build_info.h.
function(sinew_build_info library)
  set(SINEW_COMMIT "" CACHE STRING "The commit of these sources, when git cannot tell")
  set(source "${CMAKE_CURRENT_BINARY_DIR}/build_info.cpp")
  string(STRIP "${CMAKE_BUILD_TYPE} ${SINEW_SANITIZE}" type)
  add_custom_target(build_info BYPRODUCTS "${source}" VERBATIM COMMAND "${CMAKE_COMMAND}"
    "-DSOURCE_DIR=${CMAKE_SOURCE_DIR}" "-DOUTPUT=${source}" "-DVERSION=${PROJECT_VERSION}" "-DBUILD_TYPE=${type}"
    "-DCOMMIT=${SINEW_COMMIT}" -P "${CMAKE_SOURCE_DIR}/tools/cmake/build_info.cmake")
  target_sources(${library} PRIVATE "${source}")
  add_dependencies(${library} build_info)
endfunction()
