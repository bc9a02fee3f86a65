/* see rsp.h */
#include "rsp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"

static void field(struct rsp_vector *v, const char *name, const char *value) {
    if (strcmp(name, "COUNT") == 0)
        v->count = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "DataUnitLen") == 0)
        v->data_unit_bits = strtoul(value, NULL, 10);
    else if (strcmp(name, "Key") == 0)
        v->key_bytes = from_hex(value, v->key, sizeof v->key);
    else if (strcmp(name, "PT") == 0)
        v->pt_bytes = from_hex(value, v->pt, sizeof v->pt);
    else if (strcmp(name, "CT") == 0)
        v->ct_bytes = from_hex(value, v->ct, sizeof v->ct);
    else if (strcmp(name, "i") == 0)
        cr_assert_eq(from_hex(value, v->tweak, sizeof v->tweak), 16);
    else if (strcmp(name, "DataUnitSeqNumber") == 0) {
        v->number = strtoull(value, NULL, 10);
        v->has_number = true;
        memcpy(v->tweak, &v->number, sizeof v->number);
    } else
        cr_assert_fail("%s: unknown field %s", v->file, name);
}

size_t rsp_for_each(const char *path, void (*fn)(const struct rsp_vector *v)) {
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s is missing: install the package that holds it", path);
    static char line[4096], name[32], value[4096], section[16];
    struct rsp_vector v = {.file = path};
    bool encrypt = true;
    size_t n = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "[%15[A-Z]]", section) == 1) encrypt = strcmp(section, "ENCRYPT") == 0;
        if (line[0] == '#' || sscanf(line, "%31s = %4095s", name, value) != 2) continue;
        if (strcmp(name, "COUNT") == 0) v = (struct rsp_vector){.file = path, .encrypt = encrypt};
        field(&v, name, value);
        if (v.pt_bytes == 0 || v.ct_bytes == 0) continue;
        cr_assert(v.pt_bytes == v.ct_bytes && v.key_bytes > 0, "%s: vector %u is incomplete", path, v.count);
        fn(&v);
        n++;
    }
    fclose(f);
    return n;
}
