# sekisho_link_image(<name> SOURCES <files> LIBS <targets> [START <objects and archives>])
#   Links <name>-pass2, an image with libvmm's linker script, in two passes: the second has the table of function names
#   for panic reports. START: what begins the program.
# sekisho_add_efi_application(<name> SOURCES <files> LIBS <targets>)
#   Makes a UEFI application <name>.efi of that, with gnu-efi's start-up code.
# Used by the tree itself and, through find_package(sekisho), by others.
include_guard(GLOBAL)

if(NOT SEKISHO_EFI_DIR) # where image.lds and symbols.py lie
    set(SEKISHO_EFI_DIR ${CMAKE_CURRENT_LIST_DIR})
endif()
find_program(SEKISHO_OBJCOPY objcopy REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(SEKISHO_EFI_COMPILE_OPTIONS
    -ffreestanding -fPIC -fvisibility=hidden -fno-strict-aliasing -mno-red-zone
    -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
    $<$<COMPILE_LANGUAGE:C>:-mgeneral-regs-only;-fstack-protector-strong;-fcf-protection=none>)

function(sekisho_link_image name)
    cmake_parse_arguments(a "" "" "SOURCES;LIBS;START" ${ARGN})
    set(symbols ${CMAKE_CURRENT_BINARY_DIR}/${name}-symbols.c)
    add_library(${name}-objects OBJECT ${a_SOURCES})
    target_compile_options(${name}-objects PRIVATE ${SEKISHO_EFI_COMPILE_OPTIONS})
    target_link_libraries(${name}-objects PRIVATE ${a_LIBS})
    foreach(pass 1 2)
        set(elf ${name}-pass${pass})
        add_executable(${elf} $<TARGET_OBJECTS:${name}-objects>)
        target_compile_options(${elf} PRIVATE ${SEKISHO_EFI_COMPILE_OPTIONS})
        target_link_libraries(${elf} PRIVATE ${a_LIBS} ${a_START})
        target_link_options(${elf} PRIVATE
            -nostdlib -nostartfiles -shared -Wl,-Bsymbolic -Wl,-T,${SEKISHO_EFI_DIR}/image.lds -Wl,--build-id=none
            -Wl,-z,noexecstack -Wl,-z,nocombreloc -Wl,--no-undefined -Wl,--gc-sections -Wl,-e,_start
            -Wl,--no-warn-rwx-segments)
        set_target_properties(${elf} PROPERTIES LINK_DEPENDS ${SEKISHO_EFI_DIR}/image.lds ENABLE_EXPORTS OFF)
    endforeach()
    add_custom_command(OUTPUT ${symbols}
        COMMAND Python3::Interpreter ${SEKISHO_EFI_DIR}/symbols.py $<TARGET_FILE:${name}-pass1> ${symbols}
        DEPENDS ${name}-pass1 ${SEKISHO_EFI_DIR}/symbols.py)
    target_sources(${name}-pass2 PRIVATE ${symbols})
endfunction()

function(sekisho_add_efi_application name)
    cmake_parse_arguments(a "" "" "SOURCES;LIBS" ${ARGN})
    sekisho_link_image(${name} SOURCES ${a_SOURCES} LIBS ${a_LIBS}
        START /usr/lib/crt0-efi-x86_64.o /usr/lib/libgnuefi.a)
    add_custom_command(OUTPUT ${name}.efi
        COMMAND ${SEKISHO_OBJCOPY} -j .text -j .rodata -j .rela -j .reloc -j .data -j .dynamic
            -O efi-app-x86_64 --strip-all $<TARGET_FILE:${name}-pass2> ${name}.efi
        DEPENDS ${name}-pass2)
    add_custom_target(${name} ALL DEPENDS ${name}.efi)
endfunction()
