# find_package(sekisho): the targets sekisho::vmm, sekisho::vmm_uefi, sekisho::crypt, sekisho::devintercept, and
# sekisho_add_efi_application().
include(${CMAKE_CURRENT_LIST_DIR}/sekisho-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/sekisho-efi.cmake)
