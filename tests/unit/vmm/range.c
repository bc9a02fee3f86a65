/* Lists of ranges, held against a map of bytes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/range.h>

#define PLACES 64u

static struct vmm_range list[PLACES];
static int n;

static void expect(const bool *model) {
    for (unsigned i = 0; i < PLACES; i++) {
        bool in = false;
        for (int k = 0; k < n; k++) in = in || (i >= list[k].base && i - list[k].base < list[k].n_bytes);
        cr_assert_eq(in, model[i], "place %u", i);
    }
    for (int k = 0; k < n; k++) {
        cr_assert_gt(list[k].n_bytes, 0);
        if (k) cr_assert_lt(list[k - 1].base + list[k - 1].n_bytes, list[k].base, "apart and in order");
    }
}

Test(vmm_range, as_a_map_of_bytes_has_it) {
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        bool model[PLACES] = {false};
        n = 0;
        for (unsigned k = 0; k < 16; k++) {
            unsigned base = (unsigned)rand() % PLACES, n_bytes = 1 + (unsigned)rand() % (PLACES - base);
            bool in = rand() % 2;
            struct vmm_range r = {base, n_bytes};
            n = in ? vmm_range_add(list, (uint32_t)n, PLACES, r) : vmm_range_remove(list, (uint32_t)n, PLACES, r);
            cr_assert_geq(n, 0);
            memset(model + base, in, n_bytes * sizeof *model);
            expect(model);
        }
    }
}

Test(vmm_range, full) {
    n = vmm_range_add(list, 0, 2, (struct vmm_range){10, 5});
    n = vmm_range_add(list, (uint32_t)n, 2, (struct vmm_range){20, 5});
    cr_assert_eq(n, 2);
    struct vmm_range before[2] = {list[0], list[1]};
    cr_assert_eq(vmm_range_add(list, 2, 2, (struct vmm_range){0, 5}), VMM_E_FULL);
    cr_assert_eq(vmm_range_remove(list, 2, 2, (struct vmm_range){22, 1}), VMM_E_FULL);
    cr_assert_eq(memcmp(before, list, sizeof before), 0);
    cr_assert_eq(vmm_range_add(list, 2, 2, (struct vmm_range){15, 5}), 1); /* joins the two */
    cr_assert(list[0].base == 10 && list[0].n_bytes == 15);
    cr_assert_eq(vmm_range_remove(list, 1, 2, (struct vmm_range){0, 100}), 0);
}

Test(vmm_range, at_the_end) {
    n = vmm_range_add(list, 0, 4, (struct vmm_range){UINT64_MAX - 10, 10});
    n = vmm_range_add(list, (uint32_t)n, 4, (struct vmm_range){0, 1});
    cr_assert_eq(n, 2);
    cr_assert_eq(vmm_range_add(list, 2, 4, (struct vmm_range){0, UINT64_MAX}), 1);
    cr_assert(list[0].base == 0 && list[0].n_bytes == UINT64_MAX);
}
