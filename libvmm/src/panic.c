/* The end, told readably: for broken promises of our own, never for anything the guest can do. */
#include "host.h"
#include <hw.h>
#include "fmt.h"
#include "symbols.h"

static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

extern uint8_t vmm_image_start[], vmm_image_end[];

/* A return address belongs to the call before it, which may be the last instruction of its function. */
static void print_address(struct vmm *vmm, unsigned depth, uint64_t at, bool is_return) {
    uint32_t offset;
    const char *name = vmm_symbol_find((uint32_t)(at - is_return - address(vmm_image_start)), &offset);
    vmm_log(vmm, "  #%u %016lx %s+%x", depth, at, name, offset + is_return);
}

/* Frame pointers, as far as they stay on this processor's own stacks. rip: where it happened; 0: at the first frame. */
static void backtrace(struct vmm_vcpu *v, uint64_t rip, uint64_t rbp) {
    uint64_t low = address(v->area), high = low + sizeof *v->area;
    if (rip) print_address(v->vmm, 0, rip, false);
    for (unsigned depth = rip ? 1 : 0; depth < 24 && rbp >= low && rbp < high - 16 && !(rbp & 7); depth++) {
        const uint64_t *frame = hw_direct(rbp);
        if (frame[1] < address(vmm_image_start) || frame[1] >= address(vmm_image_end)) return;
        print_address(v->vmm, depth, frame[1], true);
        if (frame[0] <= rbp) return;
        rbp = frame[0];
    }
}

static void print_guest(struct vmm_vcpu *v) {
    struct vmm *vmm = v->vmm;
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    if (v->exit)
        vmm_log(vmm, "last exit: %s, code %lx, info %lx %lx", vmm_exit_name(v->exit->kind), v->exit->raw[0],
                v->exit->raw[1], v->exit->raw[2]);
    vmm_log(vmm, "guest: rip %016lx rflags %08lx cs.base %lx cpl %u", v->rip, v->rflags,
            vmm_segment_get(v, VMM_CS).base, vmm_cpl(v));
    vmm_log(vmm, "guest: cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx", vmm_reg_get(v, VMM_CR0), vmm_reg_get(v, VMM_CR2),
            vmm_reg_get(v, VMM_CR3), vmm_reg_get(v, VMM_CR4), vmm_reg_get(v, VMM_EFER));
    for (unsigned i = 0; i < 16; i += 4)
        vmm_log(vmm, "guest: %s %016lx %s %016lx %s %016lx %s %016lx", names[i], v->gpr[i], names[i + 1], v->gpr[i + 1],
                names[i + 2], v->gpr[i + 2], names[i + 3], v->gpr[i + 3]);
}

static _Noreturn void stop(void) {
    hw_cli();
    for (;;) hw_halt();
}

static _Noreturn void report(struct vmm_vcpu *v, uint64_t rip, uint64_t rbp) {
    backtrace(v, rip, rbp);
    print_guest(v);
    vmm_log(v->vmm, "sekisho: stopped. The guest's disks are as the last completed command left them; switch off.");
    stop();
}

/* Begin a report; stops at once if we are in one already, or before launch. */
static struct vmm_vcpu *begin(void) {
    static uint32_t depth;
    struct vmm_vcpu *v = host_vcpu();
    if (!v || v->self != v || __atomic_fetch_add(&depth, 1, __ATOMIC_RELAXED)) stop();
    v->vmm->log_lock = (struct vmm_lock){0, 0}; /* its holder may be us */
    return v;
}

_Noreturn void vmm_panic(const char *fmt, ...) {
    struct vmm_vcpu *v = begin();
    va_list ap;
    va_start(ap, fmt);
    vmm_log(v->vmm, "sekisho: PANIC on processor %u", v->index);
    vmm_vlog(v->vmm, fmt, ap);
    va_end(ap);
    report(v, 0, address(__builtin_frame_address(0)));
}

_Noreturn void host_panic_frame(const struct host_frame *f) {
    struct vmm_vcpu *v = begin();
    vmm_log(v->vmm, "sekisho: PANIC on processor %u: exception %lu, error %lx, cr2 %lx", v->index, f->vector, f->error,
            hw_read_cr2());
    vmm_log(v->vmm, "rip %016lx rsp %016lx rflags %lx rax %lx rbx %lx rcx %lx rdx %lx", f->rip, f->rsp, f->rflags,
            f->rax, f->rbx, f->rcx, f->rdx);
    vmm_log(v->vmm, "rsi %lx rdi %lx rbp %lx r8 %lx r9 %lx r12 %lx r14 %lx", f->rsi, f->rdi, f->rbp, f->r8, f->r9,
            f->r12, f->r14);
    report(v, f->rip, f->rbp);
}
