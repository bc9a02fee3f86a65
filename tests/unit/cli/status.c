/* What sekisho status makes of registers; numbers typed a second time. That a real processor and kernel give them so, a
 * test in tests/integration shows. */
#include "cli.h"
#include "command.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <string.h>
#include <vmm/vmm.h>

#define FIRST 0x40000050u

struct processor {
    uint64_t reg[32];
    int error;        /* of the first register */
    uint32_t n_exist; /* of the others, so many */
};

static int read_reg(void *ctx, uint32_t msr, uint64_t *out) {
    const struct processor *p = ctx;
    cr_assert(msr >= FIRST && msr < FIRST + 32, "%x", msr);
    if (msr == FIRST && p->error) return p->error;
    if (msr - FIRST > p->n_exist) return -EIO;
    *out = p->reg[msr - FIRST];
    return 0;
}

static struct processor ours(void) {
    struct processor p = {.n_exist = 31};
    memcpy(&p.reg[0], "SEKISHO\1", 8);
    memcpy(&p.reg[1], "12.34.56", 8);
    p.reg[2] = UINT64_C(12345678999999);
    p.reg[3] = 2;
    p.reg[4] = 1;
    for (unsigned i = 0; i < 24; i++) p.reg[8 + i] = 1000000000000 + i;
    return p;
}

/* All that it prints. */
static int show(struct processor *p, char *out, size_t n_out) {
    cr_redirect_stdout();
    int code = status_show(read_reg, p);
    fflush(stdout);
    FILE *said = cr_get_redirected_stdout();
    out[fread(out, 1, n_out - 1, said)] = '\0';
    return code;
}

Test(status, present) {
    struct processor p = ours();
    char said[2048], line[64];
    cr_assert_eq(show(&p, said, sizeof said), 0);
    const char head[] =
        "Sekisho 12.34.56 runs below\nseconds 12345678\nprocessors 2\ndisks 1\nexits-mmio 1000000000000\n";
    cr_assert_eq(strncmp(said, head, sizeof head - 1), 0, "%s", said);
    for (unsigned k = 0; k < VMM_N_EXITS; k++) {
        snprintf(line, sizeof line, "\nexits-%s %llu\n", vmm_exit_name((enum vmm_exit_kind)k), 1000000000000ull + k);
        cr_assert(strstr(said, line), "%s", line);
    }
}

Test(status, older_with_fewer_registers) {
    struct processor p = ours();
    char said[2048];
    p.n_exist = 10;
    cr_assert_eq(show(&p, said, sizeof said), 0);
    cr_assert(strstr(said, "\nexits-mmio 1000000000000\n") && strstr(said, "\nexits-other 0\n"), "%s", said);
}

Test(status, absent) {
    struct processor p = {.error = -EIO};
    char said[2048];
    cr_assert_eq(show(&p, said, sizeof said), 3);
    cr_assert_str_eq(said, "Sekisho does not run below\n");
}

Test(status, somebody_else) {
    struct processor p = ours();
    char said[2048];
    p.reg[0] = 0; /* an emulator that has every register */
    cr_assert_eq(show(&p, said, sizeof said), 3);
}

Test(status, a_layout_to_come) {
    struct processor p = ours();
    char said[2048];
    p.reg[0] += UINT64_C(1) << 56;
    cr_redirect_stderr();
    cr_assert_eq(show(&p, said, sizeof said), 1);
    cr_assert_str_eq(said, "");
}

Test(status, an_error_is_no_answer) {
    struct processor p = {.error = -EPERM};
    char said[2048];
    cr_redirect_stderr();
    cr_assert_eq(show(&p, said, sizeof said), 1);
    cr_assert_str_eq(said, "");
}
