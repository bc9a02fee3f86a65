"""What the bare-metal guests of tests/guests must have passed, on a processor of either vendor."""

import re


def passed(text):
    return set(re.findall(r"^PASS (.*)", text, re.M))


MSRS = {"below", "EFER reads without SVME", "EFER.SVME cannot be set", "EFER reserved bits", "EFER.LME while paging",
        "EFER.SCE works", "EFER.NXE works", "microcode is not loaded", "APIC_BASE stays", "ring 3 reaches no register"}
MSRS_AMD = MSRS | {"VM_CR off and locked", "VM_CR stays", "VM_HSAVE_PA and SVM_KEY are empty",
                   "writes to fixed registers vanish"}
MSRS_INTEL = MSRS | {"CPUID shows no VMX and no SMX", "FEATURE_CONTROL off and locked", "FEATURE_CONTROL stays",
                     "VMX capability registers do not exist", "nor do those of processor trace and SMM"}
VIRT_INSN = {"below", "ring 0", "ring 3", "still there"}
VIRT_INSN_NATIVE = VIRT_INSN - {"below"} | {"native"}
REGION = {
    "below", "memory map", "ones", "reads of every width", "writes", "writes to the page below 1 MiB", "still ones",
    "execution", "execution below 1 MiB", "an instruction that runs into it", "a push", "a pop", "vector registers",
    "counted", "still there"}
MMIO_NO_DISPLAY = {
    "below", "one aligned access is one access", "all forms, both pages trapped", "all forms, RAM then trapped",
    "all forms, trapped then RAM", "read into an absent page", "write into an absent page",
    "write into a read-only page", "addition into a read-only page", "read by ring 3 into the kernel's page",
    "write by ring 3 into the kernel's page", "read through reserved bits", "a repeated string stops at the fault",
    "and goes on", "accessed and dirty", "code before an absent page", "code before an impossible address",
    "code before a trapped page", "what is not emulated gives #GP", "a trap cannot move over RAM", "still there"}
MMIO = MMIO_NO_DISPLAY | {"a trap moves", "all forms on a device, passed", "and leaves nothing behind"}
HOOKS = {
    "below", "OUT", "IN", "other ports are not seen", "a wide access that touches a hooked port", "REP OUTSB",
    "REP INSD", "OUTSB from trapped memory", "INSD to trapped memory", "INSB from a free port to trapped memory",
    "INSD faults before it reads", "port: SKIP", "port: PASS", "port: INJECT", "port: ring 3",
    "MSR in the permission map", "MSR outside of it", "CPUID: hooked", "CPUID: the next leaf",
    "CPUID: ring 3, upper halves", "CPUID: OSXSAVE follows CR4", "CPUID: OSPKE follows CR4",
    "hypercall: the kernel's from ring 3", "hypercall: anyone's from ring 3", "hypercall: anyone's from ring 0",
    "hypercall: nobody's, and PASS", "hypercall: INJECT", "registers", "segments", "a register set",
    "a general register set", "translation", "guest memory", "still there"}
FPU = {
    "below", "XMM", "XMM, a thousand times", "XMM of a guest without XSAVE, AVX in the handler", "CR0.TS", "CR0.EM",
    "CR4.OSFXSR off", "the processor has AVX", "YMM, SSE in the handler", "YMM, AVX in the handler",
    "YMM of a guest with AVX disabled", "YMM of a guest with SSE disabled", "still there"}
FPU_ZMM = FPU | {
    "ZMM, SSE in the handler", "ZMM, AVX in the handler", "ZMM, AVX-512 in the handler",
    "ZMM of a guest with AVX-512 disabled", "ZMM of a guest with SSE disabled"}
EVENTS = {
    "below", "single step, the processor alone", "single step over what exits", "RF is clear after an instruction",
    "the shadow of STI", "a thousand interrupts", "HLT", "#UD without a gate becomes #NP", "an NMI",
    "an NMI during an NMI waits for IRET", "and the next is free again", "an NMI during an exit", "still there"}
MODES = {
    "below", "64-bit", "compatibility, 32-bit", "compatibility, 16-bit", "protected, 32-bit",
    "protected, 32-bit paging", "protected, PAE paging", "protected, 16-bit", "real", "real, 4 GiB segment",
    "64-bit again", "the trapped pages", "still there"}
X2APIC = {
    "below", "x2APIC mode", "no way straight back, and none elsewhere", "IPIs to itself", "a thousand more",
    "an NMI to itself", "still there"}
TICKS = {"below", "ticks cause no exit", "still there"}
CONTROL_AMD = {
    "below", "CR0.NE off", "CR0.NE off, others on", "CR0.CD on", "CR0.CD and NW on", "LMSW and CLTS", "CR0.WP",
    "CR4.TSD and others", "XSETBV",
    "XSETBV refuses what it must", "INVD and WBINVD lose nothing", "INVD and WBINVD in ring 3",
    "instructions that CPUID promises", "a variable range", "a fixed range", "off and on again", "still there"}
CONTROL_INTEL = CONTROL_AMD | {"CR0 refuses what it must", "CR4.VMXE, SMXE and reserved bits",
                               "CR4.PAE stays in long mode", "memory types that do not exist"}
SMP = {
    "below", "INIT and SIPI without a delay", "state after SIPI", "SIPI to a running processor",
    "INIT to a running processor, SIPI twice", "INIT and SIPI twice", "two INITs", "odd writes to the ICR",
    "SIPI by a string instruction", "all excluding self", "INIT to a logical destination",
    "SIPI to a logical destination", "a moved trap holds for every processor", "INITs that reach nobody",
    "NMIs from another processor", "ticks", "still there"}
SMP_MORE = SMP | {"INITs while another one sends start-up IPIs"}
TASKS_AMD = {
    "below", "JMP", "CALL", "CALL and IRET", "JMP through a gate", "CALL through a gate", "INT", "INT and IRET", "#UD",
    "#GP, with an error code", "#DF", "NMIs", "an interrupt", "JMP, 16 bits", "CALL and IRET, 16 bits",
    "INT and IRET, 16 bits", "#GP, 16 bits", "segments from an LDT", "FS null", "to ring 3", "to virtual-8086 mode",
    "no TSS", "TSS beyond the table", "TSS not present", "TSS busy", "TSS too short", "INT, TSS not present",
    "IRET to nobody", "IRET to who is not busy", "IRET", "new TSS not mapped", "CS not code", "CS null",
    "CS not present", "CS beyond the table", "CS of another ring", "SS null", "SS not present", "SS not data",
    "SS of another ring", "DS a system segment", "DS not present", "GS beyond the table", "ES beyond the LDT",
    "LDT not one", "EIP beyond CS", "#GP, DS not present: #DF", "still there"}
TASKS_INTEL = TASKS_AMD | {
    "T", "#UD, TSS not present", "#UD, DS not present", "#GP, no room for its error code: #DF"}
