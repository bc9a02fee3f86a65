#define _GNU_SOURCE
#include "native.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define USER_CS32 0x23 /* Linux's fixed selectors */
#define USER_DS   0x2b
#define USER_CS64 0x33

#define CODE_BYTES          4096u
#define RETURN_OFFSET       2048u /* of a jump to native_leave within the code page */
#define GS_BASE             0x1230u
#define LDT_CODE16          0
#define LDT_DATA            1
#define LDT_GS              2
#define LDT_SELECTOR(entry) (uint16_t)((entry) << 3 | 7)

/* Shared with native_stub.S. */
struct native_state native_in, native_out;
struct {
    uint32_t offset;
    uint16_t selector;
} native_target;
uint16_t native_ds, native_es, native_ss;
void native_enter(void);
void native_leave(void);

static volatile sig_atomic_t signal_raised;

static void on_signal(int number, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    (void)info;
    signal_raised = number;
    uint64_t selectors = (uint64_t)uc->uc_mcontext.gregs[REG_CSGSFS];
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)native_leave;
    uc->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)((selectors & ~UINT64_C(0xffff)) | USER_CS64);
}

static void catch_signals(void) {
    static uint8_t stack[65536];
    static const int numbers[] = {SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaction(numbers[i], &action, NULL);
}

static bool set_ldt(unsigned entry, uint32_t base, bool code, bool wide) {
    struct user_desc d = {
        .entry_number = entry,
        .base_addr = base,
        .limit = code ? 0xffff : 0xfffff,
        .limit_in_pages = !code,
        .seg_32bit = wide,
        .contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA,
    };
    return syscall(SYS_modify_ldt, 1, &d, sizeof d) == 0;
}

/* jmp *0(%rip); .quad native_leave */
static size_t put_jump_home(uint8_t *at) {
    uint64_t home = (uint64_t)(uintptr_t)native_leave;
    memcpy(at, "\xff\x25\x00\x00\x00\x00", 6);
    memcpy(at + 6, &home, 8);
    return 14;
}

static bool init_segments(struct native *n) {
    uint32_t memory = (uint32_t)(uintptr_t)n->memory;
    if (!set_ldt(LDT_CODE16, (uint32_t)(uintptr_t)n->code, true, false)) return false;
    if (!set_ldt(LDT_DATA, memory, false, true) || !set_ldt(LDT_GS, GS_BASE, false, true)) return false;
    bool is_16 = n->mode == VMM_INSN_16;
    uint16_t data = is_16 ? LDT_SELECTOR(LDT_DATA) : USER_DS;
    uint64_t base = is_16 ? memory : 0;
    n->selectors[VMM_SEG_CS] = is_16 ? LDT_SELECTOR(LDT_CODE16) : USER_CS32;
    n->seg_base[VMM_SEG_CS] = is_16 ? (uint64_t)(uintptr_t)n->code : 0;
    const enum vmm_seg flat[] = {VMM_SEG_ES, VMM_SEG_SS, VMM_SEG_DS};
    for (size_t i = 0; i < 3; i++) {
        n->selectors[flat[i]] = data;
        n->seg_base[flat[i]] = base;
    }
    n->selectors[VMM_SEG_GS] = LDT_SELECTOR(LDT_GS);
    n->seg_base[VMM_SEG_GS] = is_16 ? memory + 0x40 : GS_BASE;
    if (is_16 && !set_ldt(LDT_GS, memory + 0x40, false, true)) return false;
    __asm__ volatile("mov %0, %%gs" : : "r"(n->selectors[VMM_SEG_GS]));
    return true;
}

static bool init_64(struct native *n) {
    __asm__("mov %%ds, %0" : "=r"(n->selectors[VMM_SEG_DS]));
    __asm__("mov %%es, %0" : "=r"(n->selectors[VMM_SEG_ES]));
    n->selectors[VMM_SEG_SS] = USER_DS;
    n->selectors[VMM_SEG_CS] = USER_CS64;
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE)) return false;
    if (syscall(SYS_arch_prctl, ARCH_GET_FS, &n->seg_base[VMM_SEG_FS])) return false;
    n->seg_base[VMM_SEG_GS] = GS_BASE;
    __asm__("mov %%fs, %0" : "=r"(n->selectors[VMM_SEG_FS]));
    __asm__("mov %%gs, %0" : "=r"(n->selectors[VMM_SEG_GS]));
    return true;
}

bool native_init(struct native *n, enum vmm_insn_mode mode) {
    memset(n, 0, sizeof *n);
    n->mode = mode;
    n->code =
        mmap(NULL, 2 * CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (n->code == MAP_FAILED) return false;
    n->memory = n->code + CODE_BYTES;
    n->entry = mode == VMM_INSN_16 ? 0 : (uint64_t)(uintptr_t)n->code;
    memset(n->code, 0xcc, CODE_BYTES);
    put_jump_home(n->code + RETURN_OFFSET);
    catch_signals();
    return mode == VMM_INSN_64 ? init_64(n) : init_segments(n);
}

int native_run(struct native *n, const uint8_t *bytes, size_t n_bytes, struct native_state *state) {
    uint8_t *at = n->code;
    memcpy(at, bytes, n_bytes);
    at += n_bytes;
    if (n->mode == VMM_INSN_64) {
        at += put_jump_home(at);
    } else {
        uint32_t offset = (uint32_t)(uintptr_t)n->code + RETURN_OFFSET;
        if (n->mode == VMM_INSN_16) *at++ = 0x66;
        *at++ = 0xea; /* jmp far USER_CS64:offset */
        memcpy(at, &offset, 4);
        memcpy(at + 4, &(uint16_t){USER_CS64}, 2);
        at += 6;
    }
    memset(at, 0xcc, VMM_INSN_MAX_BYTES + 1);
    native_target.offset = (uint32_t)n->entry;
    native_target.selector = n->selectors[VMM_SEG_CS];
    native_ds = n->selectors[VMM_SEG_DS];
    native_es = n->selectors[VMM_SEG_ES];
    native_ss = n->selectors[VMM_SEG_SS];
    native_in = *state;
    signal_raised = 0;
    native_enter();
    *state = native_out;
    return signal_raised;
}
