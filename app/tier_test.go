package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

// The matrix of contract 01 §5.8, written down a second time: which tiers permit
// an operation, B, P, E and A for Basic to Admin.
func TestTierPermissions(t *testing.T) {
	t.Parallel()
	matrix := map[app.TierOperation]string{
		app.TierReadItems: "BPEA", app.TierCreateItems: "BPEA", app.TierUpdateItems: "PEA", app.TierDeleteItems: "PEA",
		app.TierReadEvents: "BPEA", app.TierCreateEvents: "BPEA", app.TierUpdateEvents: "PEA", app.TierDeleteEvents: "EA",
		app.TierReadCircuits: "PEA", app.TierCreateCircuits: "PEA", app.TierExecuteCircuits: "PEA",
		app.TierUpdateCircuits: "EA", app.TierDeleteCircuits: "EA", app.TierBulkOperations: "PEA",
		app.TierAdvancedAnalytics: "EA", app.TierCustomIntegrations: "EA", app.TierPrioritySupport: "EA", app.TierAuditAccess: "EA",
		app.TierAdminUsers: "A", app.TierAdminSystem: "A", app.TierAdminTiers: "A", app.TierAdminCredits: "A",
	}
	tiers := []app.Tier{app.TierBasic, app.TierProfessional, app.TierEnterprise, app.TierAdmin}
	for op, want := range matrix {
		got := ""
		for _, tier := range tiers {
			err := tier.Permit(op)
			if err == nil {
				got += string(tier[0])
				continue
			}
			text := "Operation '" + string(op) + "' not permitted for " + string(tier) + " tier"
			var e *app.Error
			if !asError(err, &e) || e.Reason != app.ReasonTierLimit || e.Code != app.CodeForbidden || e.Message != text {
				t.Errorf("%s for %s: got %v, want %q", op, tier, err, text)
			}
		}
		if got != want {
			t.Errorf("%s: permitted to %s, want %s", op, got, want)
		}
	}
	for _, tier := range append(tiers, "Gold", "") {
		if err := tier.Permit("fly"); app.ReasonOf(err) != app.ReasonTierLimit {
			t.Errorf("an unknown operation for %q: got %v, want a refusal", tier, err)
		}
	}
	if err := app.Tier("Gold").Permit(app.TierReadItems); err == nil {
		t.Error("an unknown tier is permitted to read items")
	}
}

func asError(err error, target **app.Error) bool {
	e, ok := err.(*app.Error) //nolint:errorlint // Permit returns it bare
	*target = e
	return ok
}

func TestTierFeatures(t *testing.T) {
	t.Parallel()
	matrix := map[string]string{
		"basic_storage": "BPEA", "basic_api": "BPEA", "advanced_storage": "PEA", "circuits": "PEA", "bulk_operations": "PEA",
		"analytics": "PEA", "advanced_analytics": "EA", "custom_integrations": "EA", "priority_support": "EA",
		"audit_dashboard": "EA", "teleportation": "",
	}
	for feature, want := range matrix {
		got := ""
		for _, tier := range []app.Tier{app.TierBasic, app.TierProfessional, app.TierEnterprise, app.TierAdmin} {
			if tier.HasFeature(feature) {
				got += string(tier[0])
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", feature, got, want)
		}
	}
}

// The cost table A of contract 01 §5.9, by operation.
func TestCreditCosts(t *testing.T) {
	t.Parallel()
	table := map[app.CreditOperation][4]int64{
		app.CreditItemCreation:     {2, 1, 1, 1},
		app.CreditCircuitOperation: {3, 2, 1, 1},
		app.CreditStorageMigration: {10, 5, 3, 3},
		app.CreditAuditExport:      {20, 10, 5, 5},
		app.CreditPremiumAdapter:   {10, 5, 2, 2},
		app.CreditAPIRequest:       {1, 0, 0, 0},
		"":                         {},
		"store_item":               {},
	}
	for op, want := range table {
		var got [4]int64
		for i, tier := range []app.Tier{app.TierBasic, app.TierProfessional, app.TierEnterprise, app.TierAdmin} {
			got[i] = tier.Costs().Of(op)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", op, diff)
		}
	}
}
