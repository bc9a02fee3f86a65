/* From what a person wrote in sekisho.conf to what a block mediator enforces. Pure; any context. */
#ifndef BLOCK_POLICY_H
#define BLOCK_POLICY_H

#include <conf/conf.h>
#include <dvi/policy.h>

/* The policy of one disk.
 *   disk         index into conf->disk, as conf_disk_find gives it
 *   transforms   [conf->n_keys], in the order of conf->key: what each key does to the data
 * Cannot fail. *out keeps pointers into transforms, which MUST outlive it, and nothing of conf. MUST: conf comes from
 * conf_parse, disk < conf->n_disks, none of its ranges names a partition. */
void policy_from_conf(const struct conf *conf, unsigned disk, const struct dvi_blk_transform *transforms,
                      struct dvi_policy *out);

#endif
