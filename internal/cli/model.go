package cli

import (
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/protect"
)

// protectConfig are the decisions of moat.yaml; [config.Config.Model] is the rest.
func protectConfig(c config.Config) protect.Config {
	return protect.Config{
		Roles: protect.Roles{Owner: c.Roles.Owner, Application: c.Roles.Application, Operator: c.Roles.Operator,
			Definer: c.Roles.Definer},
		Paths: c.Protect.Paths, TenantLedUniques: c.Protect.GlobalUniques, KeepForeignKeys: c.Protect.KeepForeignKeys,
		LeaveOpen:   c.Protect.LeaveOpen,
		ChangeOwner: c.Protect.NewOwner, DropIndexes: c.Protect.DropIndexes, Hidden: c.Protect.Hidden,
		Crossing: c.Protect.Crossing, Narrowed: c.Protect.Narrowed, OneTenant: c.Protect.OneTenant, Opened: c.Protect.Opened,
		Triggers: c.Protect.Triggers, Retired: c.Protect.Retired, ReplaceDefaults: c.Protect.ReplaceDefaults,
		LeaveRoles: c.Protect.LeaveRoles, WritableMembers: c.Protect.WritableMembers,
		Facts: policy.Facts{Subject: c.Tenant.SubjectSetting, Role: c.Tenant.RoleSetting, Claims: c.Tenant.ClaimsSetting},
	}
}
