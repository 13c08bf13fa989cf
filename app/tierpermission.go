package app

import "slices"

// TierOperation is work that a tier permits or not (contract 01 §5.8).
type TierOperation string

// The operations, by the names of the contract.
const (
	TierReadItems          TierOperation = "read_items"
	TierCreateItems        TierOperation = "create_items"
	TierUpdateItems        TierOperation = "update_items"
	TierDeleteItems        TierOperation = "delete_items"
	TierReadEvents         TierOperation = "read_events"
	TierCreateEvents       TierOperation = "create_events"
	TierUpdateEvents       TierOperation = "update_events"
	TierDeleteEvents       TierOperation = "delete_events"
	TierReadCircuits       TierOperation = "read_circuits"
	TierCreateCircuits     TierOperation = "create_circuits"
	TierExecuteCircuits    TierOperation = "execute_circuits"
	TierUpdateCircuits     TierOperation = "update_circuits"
	TierDeleteCircuits     TierOperation = "delete_circuits"
	TierBulkOperations     TierOperation = "bulk_operations"
	TierAdvancedAnalytics  TierOperation = "advanced_analytics"
	TierCustomIntegrations TierOperation = "custom_integrations"
	TierPrioritySupport    TierOperation = "priority_support"
	TierAuditAccess        TierOperation = "audit_access"
	TierAdminUsers         TierOperation = "admin_users"
	TierAdminSystem        TierOperation = "admin_system"
	TierAdminTiers         TierOperation = "admin_tiers"
	TierAdminCredits       TierOperation = "admin_credits"
)

// tierRule is the lowest tier that an operation is permitted to, and the
// feature that it needs ("" for none).
type tierRule struct {
	from    Tier
	feature string
}

// tierRules is the matrix. A tier permits what the tiers below it permit.
var tierRules = map[TierOperation]tierRule{
	TierReadItems:          {TierBasic, "basic_storage"},
	TierCreateItems:        {TierBasic, "basic_storage"},
	TierUpdateItems:        {TierProfessional, "basic_storage"},
	TierDeleteItems:        {TierProfessional, "basic_storage"},
	TierReadEvents:         {TierBasic, "basic_api"},
	TierCreateEvents:       {TierBasic, "basic_api"},
	TierUpdateEvents:       {TierProfessional, "basic_api"},
	TierDeleteEvents:       {TierEnterprise, "basic_api"},
	TierReadCircuits:       {TierProfessional, "circuits"},
	TierCreateCircuits:     {TierProfessional, "circuits"},
	TierExecuteCircuits:    {TierProfessional, "circuits"},
	TierUpdateCircuits:     {TierEnterprise, "circuits"},
	TierDeleteCircuits:     {TierEnterprise, "circuits"},
	TierBulkOperations:     {TierProfessional, "bulk_operations"},
	TierAdvancedAnalytics:  {TierEnterprise, "advanced_analytics"},
	TierCustomIntegrations: {TierEnterprise, "custom_integrations"},
	TierPrioritySupport:    {TierEnterprise, ""},
	TierAuditAccess:        {TierEnterprise, ""},
	TierAdminUsers:         {TierAdmin, ""},
	TierAdminSystem:        {TierAdmin, ""},
	TierAdminTiers:         {TierAdmin, ""},
	TierAdminCredits:       {TierAdmin, ""},
}

// tierFeatures is the lowest tier that has a feature.
var tierFeatures = map[string]Tier{
	"basic_storage": TierBasic, "basic_api": TierBasic,
	"advanced_storage": TierProfessional, "circuits": TierProfessional,
	"bulk_operations": TierProfessional, "analytics": TierProfessional,
	"advanced_analytics": TierEnterprise, "custom_integrations": TierEnterprise,
	"priority_support": TierEnterprise, "audit_dashboard": TierEnterprise,
}

// rank orders the tiers; an unknown one is below all.
func (t Tier) rank() int {
	return slices.Index([]Tier{TierBasic, TierProfessional, TierEnterprise, TierAdmin}, t)
}

// HasFeature reports whether the tier has a feature of contract 01 §5.8.
func (t Tier) HasFeature(feature string) bool {
	from, ok := tierFeatures[feature]
	return ok && t.rank() >= from.rank()
}

// Permit says whether the tier permits an operation: nil, or
// ReasonTierLimit (403) with the contract's text. An unknown operation is
// permitted to nobody.
func (t Tier) Permit(op TierOperation) error {
	rule, ok := tierRules[op]
	if !ok || t.rank() < rule.from.rank() {
		return Forbidden(ReasonTierLimit, "Operation '%s' not permitted for %s tier", op, t)
	}
	if rule.feature != "" && !t.HasFeature(rule.feature) {
		return Forbidden(ReasonTierLimit, "Feature '%s' not available for %s tier", rule.feature, t)
	}
	return nil
}

// BulkOperationsPerMonth is how many bulk operations the tier allows; nil:
// unlimited.
func (t Tier) BulkOperationsPerMonth() *int64 {
	switch t {
	case TierAdmin:
		return nil
	case TierEnterprise:
		return new(int64(100))
	case TierProfessional:
		return new(int64(10))
	default:
		return new(int64)
	}
}

// RequestsPerMinute is how many requests the tier allows an account in a
// minute; nil: unlimited.
func (t Tier) RequestsPerMinute() *int64 {
	switch t {
	case TierAdmin:
		return nil
	case TierEnterprise:
		return new(int64(1000))
	case TierProfessional:
		return new(int64(300))
	default:
		return new(int64(60))
	}
}

// ConcurrentOperations is how many requests of one account the tier allows at
// the same time; nil: unlimited.
func (t Tier) ConcurrentOperations() *int64 {
	switch t {
	case TierAdmin:
		return nil
	case TierEnterprise:
		return new(int64(20))
	case TierProfessional:
		return new(int64(5))
	default:
		return new(int64(2))
	}
}
