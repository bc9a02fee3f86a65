/* Names of exits: see vmm/vmm.h. On its own, for programs that show what a hypervisor has counted. */
#include <vmm/vmm.h>

static const char *const exit_names[VMM_N_EXITS] = {[VMM_EXIT_MMIO] = "mmio",
                                                    [VMM_EXIT_APIC] = "apic",
                                                    [VMM_EXIT_HIDDEN] = "hidden",
                                                    [VMM_EXIT_PIO] = "port",
                                                    [VMM_EXIT_MSR] = "msr",
                                                    [VMM_EXIT_CPUID] = "cpuid",
                                                    [VMM_EXIT_HYPERCALL] = "hypercall",
                                                    [VMM_EXIT_VIRT_INSN] = "virt-insn",
                                                    [VMM_EXIT_NMI] = "nmi",
                                                    [VMM_EXIT_IRET] = "iret",
                                                    [VMM_EXIT_INIT] = "init",
                                                    [VMM_EXIT_INTERRUPT] = "interrupt",
                                                    [VMM_EXIT_SHUTDOWN] = "shutdown",
                                                    [VMM_EXIT_ENTRY_FAILED] = "entry",
                                                    [VMM_EXIT_OTHER] = "other"};

const char *vmm_exit_name(enum vmm_exit_kind kind) { return exit_names[kind]; }
