package app

import "slices"

// TierLimits are what a tier allows (contract 01 §5.7). The wire form is this;
// nil means unlimited.
type TierLimits struct {
	MaxItemsPerMonth       *int64 `json:"max_items_per_month"`
	MaxCircuits            *int64 `json:"max_circuits"`
	MaxStorageLocations    *int64 `json:"max_storage_locations"`
	MaxAPIRequestsPerHour  *int64 `json:"max_api_requests_per_hour"`
	MaxWorkspaceMembers    *int64 `json:"max_workspace_members"`
	CanUsePremiumAdapters  bool   `json:"can_use_premium_adapters"`
	MaxAuditRetentionDays  int64  `json:"max_audit_retention_days"`
	PrioritySupportGranted bool   `json:"priority_support"`
}

// Limits are the tier's. They are computed from the tier each time: there are
// no limits of single accounts.
func (t Tier) Limits() TierLimits {
	switch t {
	case TierAdmin:
		return TierLimits{CanUsePremiumAdapters: true, MaxAuditRetentionDays: 3650, PrioritySupportGranted: true}
	case TierEnterprise:
		return TierLimits{
			MaxAPIRequestsPerHour: new(int64(10_000)), CanUsePremiumAdapters: true,
			MaxAuditRetentionDays: 365, PrioritySupportGranted: true,
		}
	case TierProfessional:
		return TierLimits{
			MaxItemsPerMonth: new(int64(10_000)), MaxCircuits: new(int64(25)), MaxStorageLocations: new(int64(3)),
			MaxAPIRequestsPerHour: new(int64(1_000)), MaxWorkspaceMembers: new(int64(10)),
			MaxAuditRetentionDays: 90, PrioritySupportGranted: true,
		}
	default:
		return TierLimits{
			MaxItemsPerMonth: new(int64(1_000)), MaxCircuits: new(int64(5)), MaxStorageLocations: new(int64(1)),
			MaxAPIRequestsPerHour: new(int64(100)), MaxWorkspaceMembers: new(int64(3)),
			MaxAuditRetentionDays: 30,
		}
	}
}

// Known reports whether t is one of the tiers.
func (t Tier) Known() bool {
	return slices.Contains([]Tier{TierBasic, TierProfessional, TierEnterprise, TierAdmin}, t)
}

// Known reports whether s is one of the account states.
func (s AccountStatus) Known() bool {
	return slices.Contains([]AccountStatus{
		StatusActive, StatusSuspended, StatusBanned, StatusPendingVerification, StatusTrialExpired,
	}, s)
}

// Known reports whether o is one of the organization types.
func (o OrganizationType) Known() bool {
	return slices.Contains([]OrganizationType{
		OrganizationAdmin, OrganizationProducer, OrganizationAssociation,
		OrganizationEnterprise, OrganizationGovernment, OrganizationExternal,
	}, o)
}
