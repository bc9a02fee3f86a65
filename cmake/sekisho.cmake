# Build rules shared by the whole tree, and by each library when it is built alone.
#
# Two kinds of build exist:
#   product  freestanding code that runs beneath the guest (default)
#   hosted   the same sources compiled for the build machine, with Criterion tests, sanitizers and,
#            with SEKISHO_FUZZ, libFuzzer targets (-DSEKISHO_HOSTED=ON)
include_guard(GLOBAL)
include(GNUInstallDirs)

option(SEKISHO_HOSTED "Compile for the build machine and build the unit tests" OFF)
option(SEKISHO_FUZZ "Also build the libFuzzer targets (clang, hosted)" OFF)
option(SEKISHO_COVERAGE "Instrument for gcov (hosted)" OFF)

set(SEKISHO_ROOT ${CMAKE_CURRENT_LIST_DIR}/..)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # inline assembly; the code keeps to C11 otherwise
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_ASM_FLAGS_RELWITHDEBINFO "-g")

add_library(sekisho_warnings INTERFACE)
target_compile_options(sekisho_warnings INTERFACE
    -Wall -Wextra -Werror
    $<$<COMPILE_LANGUAGE:C>:-Wconversion;-Wsign-conversion;-Wshadow;-Wcast-qual;-Wmissing-prototypes;-Wstrict-prototypes;-Wvla;-Wundef>
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
    -fno-common)
add_library(sekisho_flags INTERFACE)
target_link_libraries(sekisho_flags INTERFACE sekisho_warnings)
if(SEKISHO_HOSTED)
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    if(SEKISHO_COVERAGE)
        set(sanitize --coverage -O1 -fprofile-update=atomic)
    endif()
    target_compile_options(sekisho_flags INTERFACE ${sanitize})
    target_link_options(sekisho_flags INTERFACE ${sanitize})
    if(SEKISHO_FUZZ)
        target_compile_options(sekisho_flags INTERFACE -fsanitize=fuzzer-no-link)
    endif()
    enable_testing()
else()
    # Runs with interrupts of its own only, on stacks of its own; vector registers belong to the guest.
    target_compile_options(sekisho_flags INTERFACE
        -ffreestanding -fPIC -fvisibility=hidden -fno-strict-aliasing -mno-red-zone
        -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
        $<$<COMPILE_LANGUAGE:C>:-mgeneral-regs-only;-fstack-protector-strong;-fcf-protection=none;-fstack-usage>)
endif()

# sekisho_library(<name> SOURCES <files> [INCLUDE <public dirs>] [LIBS <targets>])
# Makes the static library sekisho_<name> with the alias sekisho::<name>, exported under that name.
# Sources that need vector instructions state them with set_source_files_properties(... COMPILE_OPTIONS).
function(sekisho_library name)
    cmake_parse_arguments(a "" "" "SOURCES;INCLUDE;LIBS" ${ARGN})
    add_library(sekisho_${name} STATIC ${a_SOURCES})
    add_library(sekisho::${name} ALIAS sekisho_${name})
    target_link_libraries(sekisho_${name} PRIVATE $<BUILD_INTERFACE:sekisho_flags> PUBLIC ${a_LIBS})
    foreach(dir ${a_INCLUDE})
        target_include_directories(sekisho_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/${dir}>)
        install(DIRECTORY ${dir}/ DESTINATION include/sekisho FILES_MATCHING PATTERN "*.h")
    endforeach()
    target_include_directories(sekisho_${name} INTERFACE $<INSTALL_INTERFACE:include/sekisho>)
    set_target_properties(sekisho_${name} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME ${name})
    install(TARGETS sekisho_${name} EXPORT sekisho ARCHIVE DESTINATION lib/sekisho)
endfunction()

# sekisho_test(<name> SOURCES <files> LIBS <targets> [INCLUDE <dirs>]): one Criterion program, one ctest test, label "unit".
function(sekisho_test name)
    if(SEKISHO_FUZZ)
        return()
    endif()
    cmake_parse_arguments(a "" "" "SOURCES;LIBS;INCLUDE" ${ARGN})
    add_executable(test_${name} ${a_SOURCES})
    target_include_directories(test_${name} PRIVATE ${a_INCLUDE})
    target_link_libraries(test_${name} PRIVATE sekisho_flags ${a_LIBS} criterion)
    # Criterion's macros are not clean under these two.
    target_compile_options(test_${name} PRIVATE -Wno-missing-prototypes -Wno-cast-qual -Wno-conversion -Wno-sign-conversion)
    add_test(NAME ${name} COMMAND test_${name} -j1 --tap=/dev/null)
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# sekisho_fuzz(<name> SOURCES <files> LIBS <targets>): one libFuzzer program, run briefly as a ctest test, label "fuzz".
# Seeds, if any, are read from tests/fuzz/corpus/<name>/.
function(sekisho_fuzz name)
    if(NOT SEKISHO_FUZZ)
        return()
    endif()
    cmake_parse_arguments(a "" "" "SOURCES;LIBS" ${ARGN})
    add_executable(fuzz_${name} ${a_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE sekisho_flags ${a_LIBS})
    target_compile_options(fuzz_${name} PRIVATE -Wno-missing-prototypes)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set(seeds ${SEKISHO_ROOT}/tests/fuzz/corpus/${name})
    if(NOT EXISTS ${seeds})
        set(seeds)
    endif()
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/corpus/${name})
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} -max_total_time=15 -verbosity=0 -print_final_stats=1
        ${CMAKE_BINARY_DIR}/corpus/${name} ${seeds})
    set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()

# Install what find_package(sekisho) needs: targets, headers, and the rule for UEFI applications.
function(sekisho_install_package)
    install(EXPORT sekisho NAMESPACE sekisho:: DESTINATION lib/sekisho/cmake FILE sekisho-targets.cmake)
    install(FILES ${SEKISHO_ROOT}/cmake/sekishoConfig.cmake ${SEKISHO_ROOT}/cmake/sekisho-efi.cmake
        ${SEKISHO_ROOT}/cmake/image.lds ${SEKISHO_ROOT}/cmake/symbols.py DESTINATION lib/sekisho/cmake)
endfunction()
