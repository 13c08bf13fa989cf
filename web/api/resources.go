package api

// registerResources registers the operations of every resource. The system's
// own are registered by build.
func registerResources(r *registrar, o Options) {
	authHandlers{svc: o.Identity}.register(r)
	passwordResetHandlers{svc: o.Identity}.register(r)
	profileHandlers{svc: o.Identity}.register(r)
	creditHandlers{svc: o.Identity}.register(r)
	apiKeyHandlers{svc: o.Identity}.register(r)
	itemHandlers{svc: o.Items}.register(r)
	itemCreateHandlers{svc: o.Items}.register(r)
	itemChangeHandlers{svc: o.Items}.register(r)
	shareHandlers{svc: o.Items}.register(r)
	pendingHandlers{svc: o.Items}.register(r)
	localItemHandlers{svc: o.Items}.register(r)
	circuitHandlers{svc: o.Circuits}.register(r)
	circuitUpdateHandlers{svc: o.Circuits}.register(r)
	circuitMemberHandlers{svc: o.Circuits}.register(r)
	circuitRoleHandlers{svc: o.Circuits}.register(r)
	joinHandlers{svc: o.Circuits}.register(r)
	settingsHandlers{svc: o.Circuits}.register(r)
	faceHandlers{svc: o.Circuits}.register(r)
	circuitPushHandlers{svc: o.Circuits}.register(r)
	circuitPullHandlers{svc: o.Circuits}.register(r)
	circuitOperationHandlers{svc: o.Circuits}.register(r)
	circuitActivityHandlers{svc: o.Circuits}.register(r)
	tokenizationHandlers{svc: o.Circuits}.register(r)
	storageHandlers{svc: o.Evidence}.register(r)
	merkleHandlers{svc: o.Evidence}.register(r)
}
