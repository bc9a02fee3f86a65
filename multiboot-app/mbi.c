/* see mbi.h */
#include "mbi.h"
#include <string.h>

#define GIB4 (UINT64_C(1) << 32)

#define MB1_MAGIC       0x2badb002u
#define MB1_FLAGS       0u
#define MB1_CMDLINE     0x4u /* in flags: there is a line, */
#define MB1_MODS        0x8u /* there are modules */
#define MB1_LINE_ADDR   16u
#define MB1_MODS_COUNT  20u
#define MB1_MODS_ADDR   24u
#define MB1_INFO_BYTES  28u /* as far as it is read */
#define MB1_MODULE_SIZE 16u /* start, end, string, reserved */

#define MB2_MAGIC      0x36d76289u
#define MB2_HEAD_BYTES 8u /* total size, reserved */
#define MB2_TAG_BYTES  8u /* type, size */
#define MB2_MAX_BYTES  (1u << 20)
#define MB2_END        0u
#define MB2_CMDLINE    1u
#define MB2_MODULE     3u
#define MB2_EFI32      11u
#define MB2_EFI64      12u

static bool read32(mbi_read_fn *read, uint64_t at, uint32_t *out, unsigned n) { return read(at, out, n * sizeof *out); }

/* max_bytes: as many may belong to the line. */
static bool read_line(mbi_read_fn *read, uint64_t at, uint64_t max_bytes, char *out) {
    for (uint32_t i = 0; i < MBI_LINE_MAX && i < max_bytes; i++) {
        if (!read(at + i, &out[i], 1)) return false;
        if (!out[i]) return true;
    }
    return false;
}

static bool overlap(struct vmm_range a, struct vmm_range b) {
    return a.n_bytes && b.n_bytes && a.base < b.base + b.n_bytes && b.base < a.base + a.n_bytes;
}

static int add_module(struct mbi *m, struct vmm_range own, mbi_read_fn *read, uint32_t first, uint32_t end,
                      uint64_t line, uint64_t line_bytes, const char **out_why) {
    *out_why = "the boot loader has loaded more modules than the 16 supported";
    if (m->n_modules == MBI_MAX_MODULES) return -1;
    struct mbi_module *new = &m->module[m->n_modules];
    struct vmm_range r = {first, end - first};
    *out_why = "the boot loader says that a module ends before it begins";
    if (end < first) return -1;
    *out_why = "the boot loader says that a module lies where this program is";
    if (overlap(r, own)) return -1;
    *out_why = "the boot loader says that two modules lie in the same place";
    for (uint32_t i = 0; i < m->n_modules; i++)
        if (overlap(r, (struct vmm_range){m->module[i].base, m->module[i].n_bytes})) return -1;
    *out_why = "the line of a module is longer than 2047 characters";
    if (!read_line(read, line, line_bytes, new->line)) return -1;
    new->base = r.base;
    new->n_bytes = r.n_bytes;
    m->n_modules++;
    return 0;
}

static int parse1(uint32_t info, struct vmm_range own, mbi_read_fn *read, struct mbi *m, const char **out_why) {
    uint32_t head[MB1_INFO_BYTES / 4], module[MB1_MODULE_SIZE / 4];
    *out_why = "the boot loader's information lies where no memory is";
    if (!read32(read, info, head, MB1_INFO_BYTES / 4)) return -1;
    *out_why = "this program's own line is longer than 2047 characters";
    if ((head[MB1_FLAGS] & MB1_CMDLINE) && !read_line(read, head[MB1_LINE_ADDR / 4], GIB4, m->options)) return -1;
    uint32_t n = head[MB1_FLAGS] & MB1_MODS ? head[MB1_MODS_COUNT / 4] : 0;
    for (uint64_t i = 0; i < n; i++) {
        *out_why = "the boot loader's list of modules lies where no memory is";
        if (!read32(read, head[MB1_MODS_ADDR / 4] + i * MB1_MODULE_SIZE, module, MB1_MODULE_SIZE / 4)) return -1;
        if (add_module(m, own, read, module[0], module[1], module[2], GIB4, out_why)) return -1;
    }
    return 0;
}

static int parse2(uint32_t info, struct vmm_range own, mbi_read_fn *read, struct mbi *m, const char **out_why) {
    uint32_t total, tag[2], module[2];
    *out_why = "the boot loader's information is not a sound list of tags";
    if ((info & 7) || !read32(read, info, &total, 1) || total > MB2_MAX_BYTES) return -1;
    for (uint64_t off = MB2_HEAD_BYTES; off <= total && total - off >= MB2_TAG_BYTES;) {
        uint64_t at = info + off;
        *out_why = "the boot loader's information is not a sound list of tags";
        if (!read32(read, at, tag, 2) || tag[1] < MB2_TAG_BYTES || tag[1] > total - off) return -1;
        if (tag[0] == MB2_END) return 0;
        if (tag[0] == MB2_EFI32 || tag[0] == MB2_EFI64) m->has_efi = true;
        *out_why = "this program's own line is longer than 2047 characters";
        if (tag[0] == MB2_CMDLINE && !read_line(read, at + 8, tag[1] - 8, m->options)) return -1;
        *out_why = "the boot loader's information is not a sound list of tags";
        if (tag[0] == MB2_MODULE) {
            if (tag[1] <= 16 || !read32(read, at + 8, module, 2)) return -1;
            if (add_module(m, own, read, module[0], module[1], at + 16, tag[1] - 16, out_why)) return -1;
        }
        off += ((uint64_t)tag[1] + 7) & ~UINT64_C(7);
    }
    return -1;
}

int mbi_parse(uint32_t magic, uint32_t info, struct vmm_range own, mbi_read_fn *read, struct mbi *out,
              const char **out_why) {
    out->has_efi = false;
    out->n_modules = 0;
    out->options[0] = '\0';
    int r = -1;
    *out_why = "this program was not started by a multiboot loader";
    if (magic == MB1_MAGIC) r = parse1(info, own, read, out, out_why);
    if (magic == MB2_MAGIC) r = parse2(info, own, read, out, out_why);
    if (!r) *out_why = NULL;
    return r;
}

static size_t word_length(const char *p) {
    size_t n = 0;
    while (p[n] && p[n] != ' ') n++;
    return n;
}

static const char *next_word(const char *p) {
    p += word_length(p);
    while (*p == ' ') p++;
    return p;
}

static bool word_is(const char *word, const char *end, const char *name) {
    return (size_t)(end - word) == strlen(name) && !memcmp(word, name, strlen(name));
}

bool mbi_named(const struct mbi_module *module, const char *name, const char **out_args) {
    const char *word = module->line, *end = word + word_length(word), *base = end;
    while (base > word && base[-1] != '/') base--;
    if (!word_is(base, end, name)) {
        word = next_word(word);
        if (!word_is(word, word + word_length(word), name)) return false;
    }
    if (out_args) *out_args = next_word(word);
    return true;
}

const struct mbi_module *mbi_find(const struct mbi *m, const char *name, const char **out_args) {
    for (uint32_t i = 0; i < m->n_modules; i++)
        if (mbi_named(&m->module[i], name, out_args)) return &m->module[i];
    return NULL;
}
