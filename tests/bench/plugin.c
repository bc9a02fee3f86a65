/* A QEMU plugin (TCG, x86) that counts for tests/bench/run, from outside the machine: executed instructions of each
 * processor, world switches (VMRUN), and the instructions of the hypervisor between a #VMEXIT and the next VMRUN,
 * sorted by what caused the exit.
 *
 * Arguments: out=FILE, and for a hypervisor whose image is known two more.
 *
 * anchor=OFFSET:BYTES: of the image's first function that runs at its final place, and how that function begins (hex).
 * By it the plugin learns where the image lies.
 *
 * marks=FILE: lines "OFFSET CLASS". An exit during which the function at OFFSET is entered belongs to that class; to
 * the smallest number, if there are several. Class 14 only counts such exits.
 *
 * The guest executes MARK_BEGIN and MARK_END around what is measured; at the second, a line of JSON with all
 * differences goes to the file. Any number of processors: each counts for itself, and the marks look at all.
 *
 * A count is of whole translation blocks: one that an exception leaves half-way counts in full. The declarations are
 * those of QEMU's documentation, "TCG Plugins" (plugin API version 1): Debian 12 has no package with its header. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };
typedef void tb_trans_fn(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void exec_fn(unsigned, void *);
typedef void mem_fn(unsigned, qemu_plugin_meminfo_t, uint64_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_trans_fn *);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, exec_fn *, enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, exec_fn *, enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_fn *, enum qemu_plugin_cb_flags,
                                      enum qemu_plugin_mem_rw, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t, uint64_t);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t, const void *info, int argc, char **argv);

#define MAX_CPUS    64u
#define MAX_CLASSES 16u /* the last is that of all other exits, ... */
#define NOTED_CLASS 14u /* ... and this one counts exits without changing their class */
#define MAX_MARKS   1024u
#define MAX_IO      512u
#define MAX_ANCHOR  16u
#define IMAGE_BYTES (UINT64_C(2) << 20)

static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8};
/* nopl DISP32(%rax,%rax,1), as guest/bench.c has them */
static const uint8_t mark_begin[] = {0x0f, 0x1f, 0x84, 0x00, 'B', 'e', 'g', 'n'};
static const uint8_t mark_end[] = {0x0f, 0x1f, 0x84, 0x00, 'D', 'o', 'n', 'e'};

struct counts {
    uint64_t insns, host_insns, exits, noted;
    uint64_t class_exits[MAX_CLASSES], class_insns[MAX_CLASSES];
    uint64_t io[MAX_IO]; /* by place in io_key[]: accesses; and of the exits whose first it was, how many, how long */
    uint64_t io_exits[MAX_IO], io_insns[MAX_IO];
};

static struct cpu {
    struct counts now, begin;
    bool noted;          /* this exit */
    bool in_host;        /* between #VMEXIT and VMRUN */
    uint64_t exit_insns; /* .insns when it began */
    unsigned class, io;  /* of this exit: its class, and the place of its first access, or MAX_IO */
} __attribute__((aligned(64))) cpus[MAX_CPUS];

static struct { uint32_t offset, class; } marks[MAX_MARKS];
static unsigned n_marks;
static uint64_t io_key[MAX_IO]; /* linear address, bit 63: written; each is taken once, by compare and exchange */
static uint32_t anchor_offset;
static uint8_t anchor[MAX_ANCHOR];
static size_t n_anchor;
static uint64_t image, after_vmrun;
static FILE *out;

/* ---- while the guest runs ---- */

static void block(unsigned n, void *n_insns) { cpus[n].now.insns += (uintptr_t)n_insns; }

static void block_after_vmrun(unsigned n, void *n_insns) {
    struct cpu *c = &cpus[n];
    c->in_host = true;
    c->exit_insns = c->now.insns;
    c->class = MAX_CLASSES - 1;
    c->io = MAX_IO;
    c->noted = false;
    block(n, n_insns);
}

static void enter_guest(unsigned n, void *unused) {
    struct cpu *c = &cpus[n];
    (void)unused;
    if (!c->in_host) return; /* it has just been launched */
    uint64_t insns = c->now.insns - c->exit_insns;
    c->in_host = false;
    c->now.exits++;
    c->now.noted += c->noted;
    c->now.host_insns += insns;
    c->now.class_exits[c->class]++;
    c->now.class_insns[c->class] += insns;
    if (c->io == MAX_IO) return;
    c->now.io_exits[c->io]++;
    c->now.io_insns[c->io] += insns;
}

static void classify(unsigned n, void *class) {
    struct cpu *c = &cpus[n];
    if (!c->in_host) return;
    if ((uintptr_t) class == NOTED_CLASS)
        c->noted = true;
    else if ((uintptr_t) class < c->class)
        c->class = (unsigned)(uintptr_t) class;
}

/* Which device registers the hypervisor itself touches. */
static void device_access(unsigned n, qemu_plugin_meminfo_t info, uint64_t at, void *unused) {
    (void)unused;
    if (!cpus[n].in_host || (at >= image && at < image + IMAGE_BYTES)) return;
    struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, at);
    if (!hwaddr || !qemu_plugin_hwaddr_is_io(hwaddr)) return;
    uint64_t key = at | (uint64_t)qemu_plugin_mem_is_store(info) << 63;
    for (unsigned i = 0; i < MAX_IO; i++) {
        uint64_t seen = 0;
        if (__atomic_compare_exchange_n(&io_key[i], &seen, key, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
            seen == key) {
            cpus[n].now.io[i]++;
            if (cpus[n].io == MAX_IO) cpus[n].io = i;
            return;
        }
    }
}

/* ---- marks ---- */

static void begin(unsigned n, void *unused) {
    (void)n, (void)unused;
    for (unsigned i = 0; i < MAX_CPUS; i++) cpus[i].begin = cpus[i].now;
}

static uint64_t total(size_t offset) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        uint64_t a, b;
        memcpy(&a, (const char *)&cpus[i].begin + offset, sizeof a);
        memcpy(&b, (const char *)&cpus[i].now + offset, sizeof b);
        sum += b - a;
    }
    return sum;
}

static void end(unsigned n, void *unused) {
    (void)n, (void)unused;
    const char *comma = "";
    fprintf(out, "{\"cpus\": [");
    for (unsigned i = 0; i < MAX_CPUS && cpus[i].now.insns; i++, comma = ", ") {
        const struct counts *a = &cpus[i].begin, *b = &cpus[i].now;
        fprintf(out, "%s[%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]", comma, b->insns - a->insns, b->exits - a->exits,
                b->host_insns - a->host_insns);
    }
    fprintf(out, "], \"causes\": {");
    comma = "";
    for (unsigned k = 0; k < MAX_CLASSES; k++) {
        size_t offset = k * sizeof(uint64_t);
        uint64_t exits = total(offsetof(struct counts, class_exits) + offset);
        if (!exits) continue;
        fprintf(out, "%s\"%u\": [%" PRIu64 ", %" PRIu64 "]", comma, k, exits,
                total(offsetof(struct counts, class_insns) + offset));
        comma = ", ";
    }
    fprintf(out, "}, \"io\": {");
    comma = "";
    for (unsigned k = 0; k < MAX_IO && io_key[k]; k++) {
        size_t offset = k * sizeof(uint64_t);
        uint64_t times = total(offsetof(struct counts, io) + offset);
        if (!times) continue;
        fprintf(out, "%s\"%c %" PRIx64 "\": [%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]", comma,
                io_key[k] >> 63 ? 'W' : 'R', io_key[k] & INT64_MAX, times,
                total(offsetof(struct counts, io_exits) + offset), total(offsetof(struct counts, io_insns) + offset));
        comma = ", ";
    }
    fprintf(out, "}, \"noted\": %" PRIu64 "}\n", total(offsetof(struct counts, noted)));
    fflush(out);
}

/* ---- while code is translated: one block at a time, under a lock of QEMU's ---- */

static bool is(const struct qemu_plugin_insn *insn, const uint8_t *bytes, size_t n) {
    return qemu_plugin_insn_size(insn) == n && !memcmp(qemu_plugin_insn_data(insn), bytes, n);
}

static void look_for_image(const struct qemu_plugin_tb *tb, uint64_t at) {
    uint8_t code[MAX_ANCHOR];
    size_t n = 0;
    if (image || !n_anchor || ((at - anchor_offset) & 0xfff)) return;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb) && n < n_anchor; i++) {
        const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t more = qemu_plugin_insn_size(insn);
        if (more > n_anchor - n) more = n_anchor - n;
        memcpy(code + n, qemu_plugin_insn_data(insn), more);
        n += more;
    }
    if (n == n_anchor && !memcmp(code, anchor, n)) image = at - anchor_offset;
}

static void translate_image(struct qemu_plugin_insn *insn, uint64_t offset) {
    qemu_plugin_register_vcpu_mem_cb(insn, device_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    for (unsigned k = 0; k < n_marks; k++)
        if (marks[k].offset == offset)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, classify, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)marks[k].class);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t n = qemu_plugin_tb_n_insns(tb);
    uint64_t at = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    (void)id;
    look_for_image(tb, at);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, after_vmrun && at == after_vmrun ? block_after_vmrun : block,
                                         QEMU_PLUGIN_CB_NO_REGS, (void *)n);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t insn_at = qemu_plugin_insn_vaddr(insn);
        exec_fn *fn = NULL;
        if (is(insn, vmrun, sizeof vmrun)) fn = enter_guest, after_vmrun = insn_at + sizeof vmrun;
        if (is(insn, mark_begin, sizeof mark_begin)) fn = begin;
        if (is(insn, mark_end, sizeof mark_end)) fn = end;
        if (fn) qemu_plugin_register_vcpu_insn_exec_cb(insn, fn, QEMU_PLUGIN_CB_NO_REGS, NULL);
        if (image && insn_at - image < IMAGE_BYTES) translate_image(insn, insn_at - image);
    }
}

/* ---- arguments ---- */

static bool read_marks(const char *path) {
    FILE *f = fopen(path, "r");
    if (!f) return false;
    while (n_marks < MAX_MARKS &&
           fscanf(f, "%" SCNx32 " %" SCNu32, &marks[n_marks].offset, &marks[n_marks].class) == 2) {
        if (marks[n_marks].class >= MAX_CLASSES - 1) break;
        n_marks++;
    }
    bool whole = feof(f) != 0;
    fclose(f);
    return whole;
}

static bool read_anchor(const char *text) {
    char *end_of_offset;
    anchor_offset = (uint32_t)strtoul(text, &end_of_offset, 16);
    if (*end_of_offset != ':') return false;
    for (const char *s = end_of_offset + 1; *s && n_anchor < MAX_ANCHOR; s += 2) {
        unsigned byte;
        if (sscanf(s, "%2x", &byte) != 1) return false;
        anchor[n_anchor++] = (uint8_t)byte;
    }
    return n_anchor == MAX_ANCHOR;
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) out = fopen(argv[i] + 4, "w");
        if (!strncmp(argv[i], "marks=", 6) && !read_marks(argv[i] + 6)) return -1;
        if (!strncmp(argv[i], "anchor=", 7) && !read_anchor(argv[i] + 7)) return -1;
    }
    if (!out) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
