/* A guest of a machine whose virtualisation is switched off gets #UD from every instruction of it, of either vendor's:
 * without a prefix and with any, in ring 0 and ring 3, and its registers are as before. Source: APM Volume 3, chapter
 * 4, "VMRUN" and others; Volume 2, 15.30.1 "VM_CR MSR"; Intel SDM Volume 3C, 30.3 "VMX Instructions"; Volume 2D, 6.3
 * "GETSEC Leaf Functions". */
#include "gt.h"
#include <string.h>

/* With an operand in memory it is at [RBX]. */
static const struct {
    const char *name;
    uint8_t bytes[5];
    unsigned n;
} insns[] = {
    {"vmrun", {0x0f, 0x01, 0xd8}, 3},
    {"vmmcall", {0x0f, 0x01, 0xd9}, 3},
    {"vmload", {0x0f, 0x01, 0xda}, 3},
    {"vmsave", {0x0f, 0x01, 0xdb}, 3},
    {"stgi", {0x0f, 0x01, 0xdc}, 3},
    {"clgi", {0x0f, 0x01, 0xdd}, 3},
    {"skinit", {0x0f, 0x01, 0xde}, 3},
    {"invlpga", {0x0f, 0x01, 0xdf}, 3},
    {"vmcall", {0x0f, 0x01, 0xc1}, 3},
    {"vmlaunch", {0x0f, 0x01, 0xc2}, 3},
    {"vmresume", {0x0f, 0x01, 0xc3}, 3},
    {"vmxoff", {0x0f, 0x01, 0xc4}, 3},
    {"vmfunc", {0x0f, 0x01, 0xd4}, 3},
    {"vmptrld", {0x0f, 0xc7, 0x33}, 3},
    {"vmclear", {0x66, 0x0f, 0xc7, 0x33}, 4},
    {"vmxon", {0xf3, 0x0f, 0xc7, 0x33}, 4},
    {"vmptrst", {0x0f, 0xc7, 0x3b}, 3},
    {"vmread", {0x0f, 0x78, 0xc8}, 3},
    {"vmwrite", {0x0f, 0x79, 0xc8}, 3},
    {"invept", {0x66, 0x0f, 0x38, 0x80, 0x0b}, 5},
    {"getsec", {0x0f, 0x37}, 2},
    {"invvpid", {0x66, 0x0f, 0x38, 0x81, 0x0b}, 5},
};
static const struct {
    const char *name;
    uint8_t bytes[2];
    unsigned n;
} prefixes[] = {{"", {0}, 0},          {"66 ", {0x66}, 1},
                {"67 ", {0x67}, 1},    {"f2 ", {0xf2}, 1},
                {"f3 ", {0xf3}, 1},    {"cs: ", {0x2e}, 1},
                {"rex.w ", {0x48}, 1}, {"rex.b ", {0x41}, 1},
                {"lock ", {0xf0}, 1},  {"66 rex.w ", {0x66, 0x48}, 2}};

static bool below;

static struct gt_state before(bool user) {
    struct gt_state s = {.rflags = 2, .user = user};
    for (unsigned i = 0; i < 16; i++) s.gpr[i] = gt_random();
    s.gpr[VMM_RAX] = HOST_NONE;
    return s;
}

/* With 66 or F2, VMREAD and VMWRITE are EXTRQ and INSERTQ where the processor has SSE4A: APM Volume 4, "EXTRQ". */
static bool another(unsigned insn, unsigned prefix) {
    const uint8_t *p = prefixes[prefix].bytes, op = insns[insn].bytes[1];
    return !gt_intel && (op == 0x78 || op == 0x79) && (p[0] == 0x66 || p[0] == 0xf2);
}

/* VMRUN needs SVME set in the guest's own EFER, so the processor finds these instructions enabled, and in ring 3 its
 * privilege check comes before the interception: #GP. Nothing else tells; both refuse. */
static bool allowed(uint64_t vector, unsigned insn, bool user) {
    const uint8_t *b = insns[insn].bytes;
    bool privileged = !gt_intel && b[0] == 0x0f && b[1] == 0x01 && b[2] >= 0xd8 && b[2] != 0xd9;
    return vector == GT_UD || (vector == GT_GP && user && privileged && below);
}

static bool refused(unsigned insn, unsigned prefix, bool user) {
    uint8_t bytes[8];
    memcpy(bytes, prefixes[prefix].bytes, prefixes[prefix].n);
    memcpy(bytes + prefixes[prefix].n, insns[insn].bytes, insns[insn].n);
    struct gt_state s = before(user), was = s;
    uint64_t vector = gt_run_bytes(&s, bytes, prefixes[prefix].n + insns[insn].n);
    was.gpr[VMM_RSP] = s.gpr[VMM_RSP];
    bool good = allowed(vector, insn, user) && s.rip == GT_PAGE(GT_CODE) && !memcmp(s.gpr, was.gpr, sizeof was.gpr);
    if (!good)
        gt_print("     %s%s in ring %u: exception %lu, error %lx, rip +%lx", prefixes[prefix].name, insns[insn].name,
                 user ? 3u : 0u, vector, s.error, s.rip - GT_PAGE(GT_CODE));
    return good;
}

static void all(bool user, const char *name) {
    unsigned bad = 0;
    for (unsigned i = 0; i < sizeof insns / sizeof insns[0]; i++)
        for (unsigned p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++)
            bad += !another(i, p) && !refused(i, p, user);
    gt_check(bad == 0, name, "%u of them were not refused", bad);
}

void gt_main(void) {
    below = gt_below();
    gt_check(true, below ? "below" : "native", "-");
    all(false, "ring 0");
    all(true, "ring 3");
    gt_check(gt_below() == below, "still there", "the hypervisor has gone");
}
