package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
)

// creditHandlers serves the caller's credits (contract 01 §3.4). Clients use
// the paths with and without /api.
type creditHandlers struct{ svc *identity.Service }

func (h creditHandlers) register(r *registrar) {
	own := together(tag("Account"), unauthText("Missing authentication"), busyText("Service temporarily unavailable"), unmetered())
	for _, base := range []struct{ path, note string }{{"/users/me/credits", ""}, {"/api/users/me/credits", " (under /api)"}} {
		get(r, base.path+"/balance", scopeUser, h.balance, own, summary("Show my credits"+base.note))
		get(r, base.path+"/history", scopeUser, h.history, own, summary("List what changed my credits, newest first"+base.note))
		get(r, base.path+"/costs", scopeUser, h.costs, own, summary("Show what operations cost in my tier"+base.note),
			describe("Charged only where the operator has switched credits on."))
	}
}

type balanceJSON struct {
	Credits int64    `json:"credits"`
	Tier    app.Tier `json:"tier"`
	Updated string   `json:"last_updated" format:"date-time"`
}

func (h creditHandlers) balance(ctx context.Context, _ *struct{}) (*reply[balanceJSON], error) {
	u, err := h.svc.Profile(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return respond(balanceJSON{Credits: u.Credits, Tier: u.Tier, Updated: app.FormatOffset(u.UpdatedAt)}, nil)
}

type creditHistoryInput struct {
	Limit  int `query:"limit" default:"50" minimum:"0" doc:"Most transactions to return; 10,000 at most whatever is asked."`
	Offset int `query:"offset" default:"0" minimum:"0" doc:"Transactions to skip."`
}

type creditHistoryJSON struct {
	Transactions []creditJSON `json:"transactions"`
	Total        int64        `json:"total_credits" doc:"The balance now."`
}

type creditJSON struct {
	ID           string         `json:"transaction_id"`
	Amount       int64          `json:"amount" doc:"Negative: spent."`
	Type         app.CreditType `json:"transaction_type"`
	Description  string         `json:"description"`
	At           string         `json:"timestamp" format:"date-time"`
	BalanceAfter int64          `json:"balance_after"`
}

func (h creditHandlers) history(ctx context.Context, in *creditHistoryInput) (*reply[creditHistoryJSON], error) {
	page := app.Page{Limit: min(in.Limit, pageCap), Offset: in.Offset}
	list, balance, err := h.svc.CreditHistory(ctx, actor(ctx), page)
	if err != nil {
		return nil, err
	}
	out := creditHistoryJSON{Transactions: make([]creditJSON, len(list)), Total: balance}
	for i, c := range list {
		out.Transactions[i] = creditJSON{
			ID: c.ID, Amount: c.Amount, Type: c.Type, Description: c.Description,
			At: app.FormatOffset(c.At), BalanceAfter: c.BalanceAfter,
		}
	}
	return respond(out, nil)
}

// CostsData is what operations cost. huma asks for an exported name where it is
// embedded.
type CostsData = app.CreditCosts

type costsJSON struct {
	CostsData
	Tier app.Tier `json:"tier"`
}

func (h creditHandlers) costs(ctx context.Context, _ *struct{}) (*reply[costsJSON], error) {
	u, err := h.svc.Profile(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return respond(costsJSON{CostsData: u.Tier.Costs(), Tier: u.Tier}, nil)
}
