/* libvmm: put one running operating system, or the firmware that will start it, under a thin hypervisor.
 *
 * What it is: CPU and memory virtualisation for one guest that keeps the machine: memory is mapped 1:1, devices are its
 * own, and nothing exits except what must be hidden and what you trap. What it is not: a virtual machine monitor for
 * several guests, or a device model.
 *
 * Life cycle: an application of the firmware's or of a boot loader's reserves memory, fills struct vmm_launch and calls
 * vmm_launch(). libvmm copies the whole running image into the region, and there, beneath the future guest, calls your
 * setup() function, in which traps and hooks are registered. Then vmm_launch() returns 0 a second time, as the guest.
 *
 * Threading: traps run on the processor whose guest touched something, several at a time; the vCPU argument is yours,
 * everything else you share needs a lock (vmm/lock.h). Interrupts and NMIs are held back meanwhile: be brief.
 * Allocation: vmm_alloc() during setup only. Errors: 0 or a negative enum vmm_error; must be checked.
 * Whose fault: yours -> assert and panic report; the guest's -> the architectural answer; the machine's -> an error
 * code from vmm_launch(). */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <stdarg.h>
#include <vmm/access.h>
#include <vmm/bits.h>
#include <vmm/types.h>

struct vmm;
struct vmm_vcpu;

enum vmm_error {
    VMM_E_CPU = -1,   /* the processor lacks something, or the firmware has locked it off */
    VMM_E_NOMEM = -2, /* the region is too small */
    VMM_E_INVAL = -3, /* an argument breaks its contract */
    VMM_E_FULL = -4,  /* a table of fixed size is full */
    VMM_E_BUSY = -5,  /* the place is trapped already, or is RAM or the hypervisor's own */
    VMM_E_RANGE = -6, /* an address is not ordinary guest RAM */
    VMM_E_SETUP = -7, /* setup() declined */
    VMM_E_CPUS = -8,  /* not every processor is where it must be */
};

/* ---- launch ------------------------------------------------------------------------------------------------------ */

#define VMM_REGION_ALIGN (UINT64_C(2) << 20)
#define VMM_MAX_RAM      128u
#define VMM_MAX_CPUS     256u

struct vmm_range {
    uint64_t base, n_bytes;
};

struct vmm_launch {
    hpa_t region;          /* below 4 GiB, VMM_REGION_ALIGN-aligned, reserved in every memory map the guest will see */
    uint64_t region_bytes; /* a multiple of VMM_REGION_ALIGN; 16 MiB is plenty for 64 processors */
    hpa_t low_page;        /* one reserved page below 1 MiB, through which further processors start */
    uint32_t max_cpus;     /* 1 .. VMM_MAX_CPUS; each costs about 64 KiB */
    /* How many processors the machine may ever run, those included that can be plugged in or enabled later; 0: not
     * known. Once as many run below, writes to the local APIC do not exit: nobody is left whom a start-up IPI could
     * start outside. Too small a number is a way out. */
    uint32_t n_possible;
    bool stop_others;            /* make every other processor wait for a start-up IPI, so that none runs outside */
    uint16_t serial_port;        /* log lines also go to this 16550 port; 0: ring only */
    uint64_t tsc_hz;             /* time-stamp counter rate; 0 if unknown: time limits are then rough */
    uint64_t start_tsc;          /* the counter when your program was entered, for the log; 0: as of power-on */
    const struct vmm_range *ram; /* [n_ram] what is ordinary RAM, from the firmware's memory map; copied */
    uint32_t n_ram;
    /* Runs once, in the region's copy of the image, before the guest's first instruction. arg points to a copy of
     * [arg_bytes] at arg below. 0 to go on; otherwise vmm_launch() returns VMM_E_SETUP and nothing has changed. */
    int (*setup)(struct vmm *vmm, void *arg);
    const void *arg;
    size_t arg_bytes;
};

/* Virtualise the calling processor. 0: the caller now runs as the guest. Negative: it does not, the machine is as
 * before, and *out_why is one sentence for the user.
 * Context: before any operating system, 64-bit mode, paging 1:1 (all below 4 GiB is enough), interrupts may be on,
 * called once, on one processor. MUST: the image was linked with libvmm's linker script. Source: APM Volume 2, 15.5
 * "VMRUN Instruction". */
int vmm_launch(const struct vmm_launch *launch, const char **out_why) VMM_MUST_CHECK;

/* Make image, a copy of the linked image or that itself, ready to run where it lies. For programs whose loader does not
 * relocate them, before anything else; the address of anything is then known only relative to where one runs.
 * VMM_E_INVAL: it has relocations of an unknown kind. Context: any before launch; needs no stack protector. */
int vmm_image_relocate(void *image) VMM_MUST_CHECK;

/* Every further processor that runs, be it parked in a loop of the firmware's, MUST call this once after vmm_launch()
 * has returned 0 and before the guest's own code is started: what a processor outside executes lies in memory the guest
 * can change. (Those that wait for a start-up IPI are taken when they get it.) True: it now runs as the guest. Returns
 * on the calling processor, as the guest. Context: firmware's page tables and descriptors, interrupts may be on.
 * Further processors of UEFI firmware: vmm_uefi_launch() does it. */
bool vmm_launch_other(void) VMM_MUST_CHECK;

/* ---- during setup ------------------------------------------------------------------------------------------------ */

/* Zeroed, page-aligned memory of the region; its bus address equals its address. NULL when the region is used up.
 * Never freed. Context: setup only. */
void *vmm_alloc(struct vmm *vmm, size_t n_bytes) VMM_MUST_CHECK;

/* ---- traps: what the handler sees and may answer ----------------------------------------------------------------- */

typedef enum vmm_verdict vmm_trap_fn(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access);

/* Memory-mapped I/O: whole pages of device memory. access->addr is the guest-physical address; an access is 1, 2, 4 or
 * 8 bytes and never crosses a page (wider or crossing ones arrive in pieces). VMM_PASS performs it on the device.
 * Returns a handle >= 0; VMM_E_BUSY if any page is RAM, the region or trapped already; VMM_E_FULL.
 * Context: setup. */
int vmm_mmio_trap(struct vmm *vmm, gpa_t base, uint64_t n_bytes, vmm_trap_fn *fn, void *cookie) VMM_MUST_CHECK;
/* Move a trap (a base address register was written). The old place is passed through again, even on error. On return no
 * processor still reaches the new place untrapped; a handler may still be running elsewhere. */
int vmm_mmio_move(struct vmm *vmm, int handle, gpa_t base) VMM_MUST_CHECK;

/* Ports [first, first + n): access->addr is the port; string instructions arrive one element at a time.
 * VMM_E_BUSY if one of them is trapped already. Context: setup. */
int vmm_pio_trap(struct vmm *vmm, uint16_t first, uint16_t n, vmm_trap_fn *fn, void *cookie) VMM_MUST_CHECK;
/* Move the trap that begins at port from (a base address register was written). On return no processor still reaches
 * the new place untrapped; a handler may still be running elsewhere. VMM_E_INVAL: there is none. VMM_E_BUSY: the place
 * is trapped already, and nothing has changed; or a processor does not answer, and it must not be used. */
int vmm_pio_move(struct vmm *vmm, uint16_t from, uint16_t to) VMM_MUST_CHECK;

/* Model-specific registers [first, first + n), existing ones or not: access->addr is the number, n_bytes is 8. VMM_PASS
 * accesses the machine's register, and gives the guest #GP where the machine does. Only the guest's kernel gets here:
 * #GP by privilege comes first. Context: setup. Source: APM Volume 2, 15.11 "MSR Intercepts"; Intel SDM Volume 3C,
 * 25.1.1 "Relative Priority of Faults and VM Exits", 25.1.3 "Instructions That Cause VM Exits Conditionally". */
int vmm_msr_trap(struct vmm *vmm, uint32_t first, uint32_t n, vmm_trap_fn *fn, void *cookie) VMM_MUST_CHECK;

/* CPUID leaves [first, first + n). fn sees the machine's answer in *regs and may change it. The first such hook makes
 * every CPUID exit; without one none does. Context: setup. */
struct vmm_cpuid {
    uint32_t leaf, subleaf;
    uint32_t eax, ebx, ecx, edx;
};
typedef void vmm_cpuid_fn(struct vmm_vcpu *vcpu, void *cookie, struct vmm_cpuid *regs);
int vmm_cpuid_hook(struct vmm *vmm, uint32_t first, uint32_t n, vmm_cpuid_fn *fn, void *cookie) VMM_MUST_CHECK;

/* Hypercalls (VMMCALL, VMCALL) with a number in RAX of [first, first + n). Numbers nobody hooked give #UD, as on a
 * machine without virtualisation. access->addr is the number; RBX, RCX, RDX, RSI hold arguments; a read value goes to
 * RAX. max_cpl: 0 for the kernel only, 3 for anyone; a caller with less privilege gets #UD. Context: setup. */
int vmm_hypercall_hook(struct vmm *vmm, uint64_t first, uint64_t n, unsigned max_cpl, vmm_trap_fn *fn,
                       void *cookie) VMM_MUST_CHECK;

/* ---- guest state: only from a handler, only for its own vCPU ------------------------------------------------------
 */

/* In encoding order, then the rest. */
enum vmm_reg {
    VMM_RAX,
    VMM_RCX,
    VMM_RDX,
    VMM_RBX,
    VMM_RSP,
    VMM_RBP,
    VMM_RSI,
    VMM_RDI,
    VMM_R8,
    VMM_R9,
    VMM_R10,
    VMM_R11,
    VMM_R12,
    VMM_R13,
    VMM_R14,
    VMM_R15,
    VMM_RIP,
    VMM_RFLAGS,
    VMM_CR0,
    VMM_CR2,
    VMM_CR3,
    VMM_CR4,
    VMM_EFER,
    VMM_DR6,
    VMM_DR7,
    VMM_N_REGS
};
uint64_t vmm_reg_get(const struct vmm_vcpu *vcpu, enum vmm_reg reg);
void vmm_reg_set(struct vmm_vcpu *vcpu, enum vmm_reg reg, uint64_t value);

enum vmm_segment_name { VMM_ES, VMM_CS, VMM_SS, VMM_DS, VMM_FS, VMM_GS, VMM_LDTR, VMM_TR, VMM_GDTR, VMM_IDTR };
struct vmm_segment {
    uint16_t selector;
    uint16_t attrib; /* descriptor bits 55:52 and 47:40: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11 */
    uint32_t limit;  /* bytes, granularity applied */
    uint64_t base;
};
#define VMM_SEG_L BIT(9)
#define VMM_SEG_D BIT(10)
struct vmm_segment vmm_segment_get(const struct vmm_vcpu *vcpu, enum vmm_segment_name name);
/* Current privilege level, 0..3. */
unsigned vmm_cpl(const struct vmm_vcpu *vcpu);
uint32_t vmm_cpu_index(const struct vmm_vcpu *vcpu); /* 0 is the processor that launched */
struct vmm *vmm_of(const struct vmm_vcpu *vcpu);

/* Queue an exception (vector 0..31) for delivery when the handler returns VMM_INJECT. error: pushed by vectors 8,
 * 10-14, 17, 21 only. A second event replaces the first as the contributory rules say (#DF, shutdown). Source: APM
 * Volume 2, 8.2.9 "#DF Double-Fault Exception". */
void vmm_inject(struct vmm_vcpu *vcpu, unsigned vector, uint32_t error);

/* ---- guest memory -------------------------------------------------------------------------------------------------
 */

/* Guest-physical, RAM only (never a device, never the region): all of it or VMM_E_RANGE. Any context after launch. */
int vmm_gmem_read(const struct vmm *vmm, gpa_t src, void *dst, size_t n_bytes) VMM_MUST_CHECK;
int vmm_gmem_write(const struct vmm *vmm, gpa_t dst, const void *src, size_t n_bytes) VMM_MUST_CHECK;
/* Direct pointer for bulk work, or NULL where the two above would fail. The guest may change what it shows at any time.
 */
void *vmm_gmem_borrow(const struct vmm *vmm, gpa_t at, size_t n_bytes);
/* True if no byte of a non-empty, non-wrapping range is the hypervisor's: what a device may be given as an address. */
bool vmm_dma_ok(const struct vmm *vmm, gpa_t at, uint64_t n_bytes);

/* Guest-linear to guest-physical by the vCPU's own page tables, as a supervisor read would go, changing nothing.
 * VMM_E_RANGE if not mapped. */
int vmm_translate(struct vmm_vcpu *vcpu, uint64_t linear, gpa_t *out) VMM_MUST_CHECK;

/* ---- the machine's devices, untrapped: for handlers that decide for themselves what reaches them -------------------
 */

/* One access of exactly n_bytes (1, 2, 4, 8; ports 1, 2, 4), naturally aligned. Any context. */
uint64_t vmm_device_read(hpa_t at, unsigned n_bytes);
void vmm_device_write(hpa_t at, unsigned n_bytes, uint64_t value);
uint32_t vmm_port_read(uint16_t port, unsigned n_bytes);
void vmm_port_write(uint16_t port, unsigned n_bytes, uint32_t value);

/* True if an interrupt waits in this processor's local APIC, so that a handler with much to do had better let the guest
 * have it; or if that cannot be told: the APIC is off, or lets the PC's 8259s through, and not all of the first one's
 * lines are masked. NMIs do not count. Any context, after launch. */
bool vmm_interrupt_pending(const struct vmm *vmm);

/* ---- time, log, statistics ----------------------------------------------------------------------------------------
 */

uint64_t vmm_now_us(const struct vmm *vmm);

/* One line: %s %c %d %u %x %lu %lx, widths and zero padding; no newline. Kept in a ring of VMM_LOG_BYTES, and sent to
 * the serial port of struct vmm_launch. Never log a secret. */
#define VMM_LOG_BYTES 16384u
void vmm_log(struct vmm *vmm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vmm_vlog(struct vmm *vmm, const char *fmt, va_list ap);

/* Say why setup() is about to decline: becomes *out_why of vmm_launch(). One sentence, formatted as vmm_log's. */
void vmm_decline(struct vmm *vmm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum vmm_exit_kind {
    VMM_EXIT_MMIO,
    VMM_EXIT_APIC,
    VMM_EXIT_HIDDEN,
    VMM_EXIT_PIO,
    VMM_EXIT_MSR,
    VMM_EXIT_CPUID,
    VMM_EXIT_HYPERCALL,
    VMM_EXIT_VIRT_INSN,
    VMM_EXIT_NMI,
    VMM_EXIT_IRET,
    VMM_EXIT_INIT,
    VMM_EXIT_INTERRUPT,
    VMM_EXIT_SHUTDOWN,
    VMM_EXIT_ENTRY_FAILED,
    VMM_EXIT_OTHER,
    VMM_N_EXITS
};
/* Exits by cause since launch, summed over all processors. Any context; approximate while they run. */
void vmm_stats(const struct vmm *vmm, uint64_t out_exits[VMM_N_EXITS]);
const char *vmm_exit_name(enum vmm_exit_kind kind);
/* Processors that run below us now, the launching one included; those that wait for a start-up IPI are not counted.
 * Any context. */
uint32_t vmm_cpus(const struct vmm *vmm);

/* ---- vector registers ------------------------------------------------------------------------------------------- */

/* They hold the guest's values while a handler runs, and libvmm itself never touches them. Code that does (a cipher) is
 * bracketed by these two, on one processor, without nesting; *v is the caller's, for the time in between.
 * Context: setup, or any handler. XMM: registers 0-15, 128 bits. YMM: 256 bits, and AVX is usable in between even if
 * the guest has not enabled it. ZMM: registers 0-31, 512 bits, and the opmasks, and so is AVX-512. MUST: no wider than
 * vmm_vector_widest(). */
enum vmm_vector_width { VMM_XMM, VMM_YMM, VMM_ZMM };
struct vmm_vector {
    uint64_t area[2752 / 8] __attribute__((aligned(64))); /* an XSAVE area, standard format, components 1, 2, 5 to 7 */
    uint64_t cr0, cr4, xcr0, mask;
    enum vmm_vector_width width;
};
enum vmm_vector_width vmm_vector_widest(void); /* of the processor, whoever has enabled it; executes CPUID */
void vmm_vector_begin(struct vmm_vector *v, enum vmm_vector_width width);
void vmm_vector_end(struct vmm_vector *v);

/* Stop everything with a readable report: message, registers, last exit, symbolised backtrace, tail of the log. For
 * broken promises of our own only. */
_Noreturn void vmm_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
