package app

import "github.com/defarm-repo/defarm/app/merkle"

// RecordEvent stores an event of an item, computes its hashes, and brings the
// item's Merkle root up to date. The caller stores the item afterwards.
//
// The event is made in one step with its final metadata and is never compared
// with others: one event for each operation (contract 05 R2, note 4).
func RecordEvent(tx Tx, it *Item, e *Event) error {
	e.DFID = it.DFID
	e.ContentHash, e.LeafHash = e.ComputeContentHash(), e.ComputeLeafHash()
	leaves := []string{e.LeafHash}
	if it.EventCount > 0 {
		before, err := tx.Events().Leaves(it.DFID)
		if err != nil {
			return err
		}
		leaves = append(before, e.LeafHash)
	}
	it.MerkleRoot, _ = merkle.Root(leaves) // there is at least one leaf
	it.EventCount = int64(len(leaves))
	return tx.Events().Insert(e)
}
