/* see block/resolve.h */
#include <block/resolve.h>
#include <conf/writer.h>
#include <string.h>

static bool is_named(const struct part *part, const struct conf_range *range) {
    return range->partition ? part->number == range->partition : strcmp(part->id, range->partuuid) == 0;
}

/* The first partition that a range may mean, and how many there are: GUIDs are unique only if nobody copied any. */
static const struct part *find(const struct part_table *table, const struct conf_range *range, unsigned *out_n) {
    const struct part *found = NULL;
    *out_n = 0;
    for (uint32_t i = 0; i < table->n_parts; i++) {
        if (!is_named(&table->part[i], range)) continue;
        if (!found) found = &table->part[i];
        ++*out_n;
    }
    return found;
}

static void write_name(struct conf_writer *w, const struct conf_range *range) {
    conf_write(w, "partition ");
    if (range->partition)
        conf_write_decimal(w, range->partition);
    else
        conf_write(w, range->partuuid);
}

static void write_sectors(struct conf_writer *w, const struct conf_range *range) {
    conf_write_decimal(w, range->first_lba);
    conf_write(w, "..");
    if (range->end_lba == UINT64_MAX)
        conf_write(w, "end");
    else
        conf_write_decimal(w, range->end_lba - 1);
}

static void write_place(struct conf_writer *w, const struct conf_range *range) {
    bool partition = conf_range_names_partition(range);
    if (partition) write_name(w, range);
    conf_write(w, partition ? " (" : "range ");
    write_sectors(w, range);
    if (partition) conf_write(w, ")");
}

/* Set the sectors of a range; what is wrong, or NULL. */
static const char *look_up(const struct part_table *table, struct conf_range *range) {
    unsigned n = 0;
    if (table->error) return part_error_text(table->error);
    const struct part *part = find(table, range, &n);
    if (n == 0) return "it is not in the partition table of the disk";
    if (n > 1) return "it is more than once in the partition table of the disk";
    if (part->extended) return "it is extended and holds others, expected one of those";
    range->first_lba = part->first_lba;
    range->end_lba = part->first_lba + part->n_sectors;
    return NULL;
}

static int resolve_range(const struct part_table *table, struct conf_range *range, struct conf_error *out_error) {
    const char *why = look_up(table, range);
    if (!why) return 0;
    struct conf_writer w = conf_writer(out_error->message, sizeof out_error->message);
    out_error->line = range->line;
    write_name(&w, range);
    conf_write(&w, ": ");
    conf_write(&w, why);
    return CONF_E_INVALID;
}

static int check_overlap(const struct conf_range *earlier, const struct conf_range *range,
                         struct conf_error *out_error) {
    if (range->first_lba >= earlier->end_lba || earlier->first_lba >= range->end_lba) return 0;
    struct conf_writer w = conf_writer(out_error->message, sizeof out_error->message);
    out_error->line = range->line;
    write_place(&w, range);
    conf_write(&w, " overlaps ");
    write_place(&w, earlier);
    conf_write(&w, " of line ");
    conf_write_decimal(&w, earlier->line);
    conf_write(&w, ", expected each sector in one range of a disk");
    return CONF_E_INVALID;
}

int resolve_disk(const struct conf_disk *disk, const struct part_table *table, struct conf_disk *out,
                 struct conf_error *out_error) {
    int err = 0;
    *out = *disk;
    for (unsigned i = 0; i < out->n_ranges && !err; i++) {
        if (conf_range_names_partition(&out->range[i])) err = resolve_range(table, &out->range[i], out_error);
        for (unsigned k = 0; k < i && !err; k++) err = check_overlap(&out->range[k], &out->range[i], out_error);
    }
    if (err) memset(out, 0, sizeof *out);
    return err;
}

void resolve_describe(const struct conf_range *range, const struct part_table *table, char *out, size_t n_out) {
    struct conf_writer w = conf_writer(out, n_out);
    unsigned n;
    const struct part *part = find(table, range, &n);
    conf_write(&w, "partition ");
    conf_write_decimal(&w, part->number);
    conf_write(&w, " (");
    conf_write(&w, part->id);
    if (part->name[0]) {
        conf_write(&w, ", ");
        conf_write_quoted(&w, part->name, strlen(part->name));
    }
    conf_write(&w, ") is sectors ");
    write_sectors(&w, range);
}
