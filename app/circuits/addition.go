package circuits

import (
	"encoding/json"
	"maps"

	"github.com/defarm-repo/defarm/app"
)

// hold plans what approval shall add to the item, which stays as it is.
func (p *push) hold(identifiers []app.Identifier, data map[string]json.RawMessage) {
	add := &app.ItemAddition{
		LocalID: p.in.LocalID, Identifiers: identifiers, Data: maps.Clone(data), Overwrite: p.overwrite,
	}
	for key := range p.kept {
		delete(add.Data, key) // on the operation, for people to look at
	}
	p.plan.Keys, p.plan.Addition = nil, add
}

// bringAddition ends a push that waited to add something to the item: as the
// requester would have done it, with the rights that he had.
func (c *changing) bringAddition(it *app.Item, op app.CircuitOperation) error {
	add := op.Plan.Addition
	his := *c
	his.who = app.Actor{UserID: op.RequesterID}
	p := &push{
		changing: &his, in: PushInput{LocalID: add.LocalID}, target: it, whole: op.Plan.Whole, overwrite: add.Overwrite,
	}
	if err := p.findLocal(); err != nil {
		return err
	}
	if err := p.add(add.Identifiers, add.Data); err != nil {
		return err
	}
	plan := app.OperationPlan{Whole: op.Plan.Whole, Quoted: op.Plan.Quoted, Keys: p.plan.Keys}
	return p.place(placing{item: p.item, by: op.RequesterID, plan: plan}, func() error { return p.save(c.tx, "") })
}

// findLocal looks at what has become of the local id since: a local item that is
// still one is folded into the item, any other use of the id stays.
func (p *push) findLocal() error {
	m, err := p.tx.Items().Mapping(p.in.LocalID)
	if app.ReasonOf(err) == app.ReasonLocalItemNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	known, err := p.tx.Items().ByRow(m.Row)
	if err != nil {
		return err
	}
	if m.OwnerID == p.who.UserID && known.Local() && known.Status == app.ItemActive {
		p.local = known
	} else {
		p.mapped = true
	}
	return nil
}
