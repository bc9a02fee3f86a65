/* Which section takes which disk: see conf/conf.h. */
#include "parser.h"

#include <string.h>

/* A field of fixed width as the device gives it, without its padding. */
static struct span field(const char *p, size_t n_max) {
    const char *nul = memchr(p, '\0', n_max);
    struct span s = {p, nul ? (size_t)(nul - p) : n_max};
    return conf_span_trim(s);
}

bool conf_disk_match(const struct conf_disk *disk, const struct conf_disk_id *id) {
    switch (disk->match) {
    case CONF_MATCH_ANY: return true;
    case CONF_MATCH_SERIAL: return conf_span_is(field(id->serial, sizeof id->serial), disk->text);
    case CONF_MATCH_MODEL: return conf_span_is(field(id->model, sizeof id->model), disk->text);
    case CONF_MATCH_PCI: return id->bus == disk->bus && id->dev == disk->dev && id->fn == disk->fn;
    case CONF_MATCH_PORT: return id->port == disk->port;
    }
    return false;
}

int conf_disk_find(const struct conf *conf, const struct conf_disk_id *id) {
    for (int i = 0; i < conf->n_disks; i++)
        if (conf_disk_match(&conf->disk[i], id)) return i;
    return -1;
}
