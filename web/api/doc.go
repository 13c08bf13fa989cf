// Package api is the HTTP edge: it turns requests into calls of the services
// in package app and their results into the answers that the contract fixes.
// It holds no rules of the business and no state beyond one request.
//
// # What runs around an operation
//
// Outermost first, fixed in edge.wrap: request id and real client address,
// access log and metrics, trace, recover, CORS, base path, deadline. Then the router
// finds the operation, and gate.admit checks in the order of design §2.12:
// credential (401), rate (429), key restrictions and rights (403), path and
// query (400), then the body: content type (415), size (413), syntax (400),
// shape (422). Only then the handler runs. One place writes the answer.
//
// Operations are registered with get, post, put, patch and del, which fix the
// scope, the security scheme, the body limit, the documented errors and the
// operation id. A missing scope or summary, a duplicate, a trailing slash and
// uniqueItems are errors of New. The zero scope lets nobody in.
//
// # Writing a resource file
//
// A resource file holds, top to bottom, the table of operations, the wire
// types, the handlers. Handlers return errors as they get them: *app.Error has
// its row in statusOf, anything else is a 500 whose cause only the log sees.
//
//   - A field is required unless its tag says omitempty (or omitzero, or
//     required:"false"). Optional fields take null for "absent"; a required
//     one refuses it with 422, arrays included. json.RawMessage keeps the text
//     null, so an optional one must be compared with it.
//   - Names are case-sensitive, unknown ones are ignored, the last of repeated
//     ones counts. All that is settled before decoding (see shape).
//   - Structs that the contract lets be null are pointers with omitempty. An
//     answer's array that may be null is tagged nullable:"true"; all others
//     are written as [] (orEmpty).
//   - Limits and enumerations go into the tags (maxLength, enum, minimum):
//     they are checked, documented and answered without repeating the value.
//   - The path of a detail shows only names that the schema has. Keys of
//     free-form objects appear as *.
//   - A body that is JSON already (a cached row) is an encoded[T]. Bytes that
//     are no JSON are a Body []byte with a ContentType field tagged
//     header:"Content-Type". A stream is a Body func(huma.Context).
//   - Lists embed PageQuery. UUIDs in the path go through pathUUID where the
//     contract shows "Invalid URL: UUID parsing failed", else parseUUID.
//   - An embedded struct needs an exported name: huma passes over others, so
//     the registrar refuses them.
//   - huma's resolvers are not for business errors: their texts are cut.
//   - orEmpty is for lists inside a body; a nil list that is the body is [].
//
// # Deviations from the original
//
// Decided in design §2; existing clients keep working. "Guarded" means every
// route that is not public in the contract's table.
//
//	route                     original                            here                                why
//	guarded, no credential    handler decides; many open          401 before anything else            01 §6.1 no. 4
//	guarded, order of checks  path, query, body, then 401         401, 429, 403, then the request     design §2.12
//	guarded, key as Bearer    charged, then 401 InvalidToken      works like X-API-Key                01 §6.1 no. 1
//	guarded, key permissions  never looked at                     read / write / admin, 403           01 §6.1 no. 5
//	guarded, key address      first X-Forwarded-For, else none    socket peer; header of trusted      01 §6.1 no. 8
//	                                                              proxies only
//	guarded, key paths        decoded path                        path as sent, base path cut off     an escaped slash must not
//	                                                                                                  widen a restriction
//	guarded, rate limits      keys per hour, no headers           keys and accounts, minute, hour     01 §6.3 no. 6, 7
//	                                                              and day; X-RateLimit-Limit,
//	                                                              -Remaining, -Reset
//	guarded, concurrency      never looked at                     429 with the body of a rate limit   as above, when tiers are
//	                                                                                                  enforced
//	guarded, tiers, credits   never looked at                     403 tier_limit_exceeded, 402        01 §5.11, §6.4; off by
//	                                                              insufficient_credits when enforced  default
//	any, 401                  no header                           WWW-Authenticate: Bearer            RFC 9110
//	any, 429 and 503          Retry-After on login only           always, at least 1                  01 §5.10
//	any, credential > 8 KB    parsed                              401                                 engine notes §3
//	/api/api-keys, /api/auth  keys: 500 or text                   401 JSON, the route's text          design §2.6, §2.14
//	  (profile, refresh)
//	…/api-keys/{id}, POST     any numbers; 0 of anything          limit 1 … 1,000,000, days 0 …       design §2.16
//	  and PATCH                                                   36,500: 400
//	…/api-keys/{id}, PATCH    owner re-activates anything         403 for a key that an administrator 01 §6.3 no. 10
//	                                                              disabled
//	…/api-keys/{id}/usage     always empty; any number of days    counted by hours, 1 … 365 days      01 §6.3 no. 2, 8
//	…/auth/forgot-password    429 for accounts only; mail inline  429 for any name, mail follows      01 §6.1 no. 11
//	…/auth/reset-password     password trimmed; others stay valid taken as typed; sessions and other  01 §6.1 no. 7, 14
//	                                                              reset tokens void; 429 for guesses
//	POST /api/auth/logout     -                                   voids all tokens of the account     01 §6.1 no. 7
//	/users/me/* under /api    404                                 served as well                      01 §3.4
//	any, framework errors     text/plain                          JSON {"error":"<that text>"}        design §2.7, §2.13
//	any, 422 and 400 details  may repeat the value                place and rule only                 secrets stay secret
//	any, repeated JSON key    422                                 last one counts                     harmless, 07 §6.2 agrees
//	any, JSON depth > 64      128                                 400 recursion limit exceeded        design §2.17
//	any, broken body          connection error                    400, 408 when it does not come      bounded
//	any, slow request         no limit                            503 after the request timeout       design §1
//	any, panic                connection dropped                  500 JSON, stack in the log          01 §6.5
//	any, 5xx text             driver's message                    fixed text, cause in the log        01 §6.1 no. 18
//	OPTIONS                   allow-headers: *                    mirrors what is asked               01 §6.1 no. 16
//	any, large answer         never compressed                    gzip from 1 KB when asked           -
//	any                       -                                   X-Request-Id                        -
//	GET lists                 unbounded                           limit, offset; 1,000, cap 10,000    design §2.9
//	POST /api/items (…/batch) any item by key and value           own by contextual identifiers, all  02 §9 no. 24 to 26
//	                                                              by canonical ones; somebody else's
//	                                                              is a pending item
//	POST /api/items           animals of one lot become one item  beside a canonical identifier the   a herd would be one animal
//	                                                              others name only what has none
//	POST /api/items, pending  text only                           pending_id beside error             02 §9 no. 8
//	identifiers in answers    -                                   warnings: what looks wrong with a   02 §9 no. 35
//	                                                              canonical value; never a refusal
//	POST /api/items/batch     2 MiB                               16 MiB, 10,000 elements             bounded
//	PUT …/items/{dfid} and    anybody                             the owner; others: the contract's   02 §9 no. 24
//	  the other changes                                           "Item not found"
//	…/items/{dfid}/merge      any status, itself                  400 Invalid operation unless both   02 §9 no. 12
//	                                                              are active; body may be an object
//	…/items/{dfid}/split      identifiers of others, none         400 Invalid operation               02 §9 no. 14
//	items, changes            no event                            Created, Enriched, Updated, Merged, 05 §7 no. 21
//	                                                              Split, StatusChanged
//	…/pending/{id}/resolve    500 unknown id; missing wipes; a    404; missing keeps; one row, reason 02 §9 no. 9, 10, 36
//	                          second row on failure               looked for anew
//	…/items/local/*           everybody's items                   the caller's own                    02 §9 no. 24
//	…/items/local/merge       identifiers stay behind; cycles,    they come along; 400 for those, for 02 §9 no. 12, 13
//	                          repetitions, any status and number  over 1,000 and beyond an item's
//	                                                              bounds
//	…/items/local/unmerge     master keeps what it got            master is restored, edits stay;     02 §9 no. 13
//	                                                              400 when it was merged or pushed
//	…/items/local/duplicates  one spelling; all                   normal form of the value; active    02 §9 no. 19, 39
//	  and organize                                                only, oldest 100,000, 10,000 listed
//	…/items/local/organize    namespace ignored; lost updates     honoured; a group whole or not at   02 §9 no. 19, 39
//	                                                              all
//	GET …/items/local/{id}    404; words as below /items/{dfid}   the item; words that no UUID are:   02 §4
//	                                                              400
//	…/items/{dfid}/share      any caller, recipient unchecked;    owner only, existing recipient,     02 §9 no. 7, 24, 33
//	                          the share is lost                   one share each, ItemShared sent
//	…/shared-with/{user_id},  anybody asks for anybody            himself, the sharer, administrators 02 §9 no. 28
//	  /shared-to/{user_id}                                        (others: none)
//	…/items/{dfid}/shares,    404                                 served                              02 §4
//	  DELETE …/share/{id},
//	  …/items/{dfid}/events
//	GET /api/items/search     q ignored                           q searches, ranked; 503 while the   02 §9 no. 22
//	                                                              index is far behind
//	…/items/identifier/…      value as written                    canonical ones in any spelling      02 §9 no. 26
//	GET /api/items/stats      confidence 0.0, MergedInto left out real mean, counted as merged        02 §9 no. 40
//	…/circuits/{id}, changes  anybody may learn that it exists    private: "Circuit not found" to   03 §9 S1
//	                                                              all but members and administrators
//	…/circuits/{id}, changes  no trace                            a line in the author's history;     03 §9 S28
//	                                                              members are told what concerns them
//	GET …/circuits/member/*   anybody's, without a credential     own; of others the public ones,     03 §1.3
//	                                                              redacted
//	PUT …/{id}/deactivate     owner_id alone is not enough;       it is; body optional; 400 for an    03 §1.6
//	                          changes last_modified again         archived circuit; repeated: nothing
//	…/visibility/toggle       500 for Admins, 403 for holders of  works for both, not for Admins with a 03 §1.7
//	                          ManagePermissions                   custom role in place of it; body
//	                                                              ignored
//	PUT …/{id}/reactivate,    -                                   served; the tier's number of        03 §9 S27
//	  POST …/transfer                                             circuits holds when enforced
//	…/{id}/alias-config       fixed at creation; unbounded        GET for members, PUT; 100 entries   03 §9 S27, S32
//	                                                              of 1,024 bytes per list, also at
//	                                                              creation
//	…/{id}/members, …/roles   rights of all kinds to anybody,     nobody gives a right that he lacks; 03 §9 S6, S7
//	                          the owner's entry too               the owner's entry by transfer only
//	POST …/{id}/members       any id; request stays pending       accounts; request is approved;      03 §2.1
//	                                                              10,000 members
//	PATCH …/members/{user_id} Admin and Viewer are unknown; role  known in any case; role or          03 §2.2
//	                          needed                              custom_role_name
//	DELETE …/members/*,       405, 404                            served                              03 §9 S27
//	  POST …/leave
//	…/{id}/roles              500 for an unknown circuit; any     404; members only; trimmed, 1 …     03 §2.4, 2.5
//	                          name; any number                    100 characters; 100 roles
//	DELETE …/roles/{name}     500 default or assigned role, or    400; 404; keys work                 03 §2.7
//	                          with a key; 200 unknown role
//	GET /api/circuits, /list  anonymous; ?user_id= identifies     401; user_id ignored; strangers see   03 §1.2, S1, S3
//	                                                              neither members nor roles
//	…/circuits/{id}/requests  the whole circuit; any status       the own request only; 400 when not  03 §3.1, S10, S13
//	                                                              active; message of 4,096 bytes
//	…/requests/pending        anybody; 500 unknown circuit        ManageMembers: 403; 404             03 §3.2, S21
//	…/requests/…/approve and  admin_id of the body decides        the credential; role optional; no   03 §3.3, S2, S6, S25
//	  /reject                                                     role above the own rights; a member
//	                                                              meanwhile only closes the request
//	…/{id}/public-settings    wrapped only; wipes published       also flat; published items and the  03 §4.1, S9, S23
//	                          items; any DFID                     password stay; items of the circuit
//	GET …/public-settings     405                                 served                              03 §4.1
//	…/circuits/{id}/public    password never asked; 500 unknown   branding only without the password  03 §4.2, S8
//	                          circuit; expired token 401          (X-Access-Password); 404; bad
//	                                                              credentials ignored; 1,000 items
//	…/{id}/public/join        password in clear, any number of    bcrypt hash; 429; managers notified 03 §4.3, S8
//	                          guesses
//	circuits, changes         who may not know of a private one   Circuit not found                   design §2.5
//	                          is told that he lacks the right
//	…/push/{dfid}             any item there is                   own, shared, or seen in a circuit,  03 S5
//	                                                              as far as it is seen; 400 for local
//	                                                              ones and those out of use
//	…/push/batch              unbounded; debug text               500 at most; plain text             03 S26, S32
//	…/pull/{dfid}             any item there is, at once          an item of the circuit; nothing is  03 S4
//	                                                              shown while approval is awaited
//	…/push/* and …/pull/*     free of charge                      circuit_operation, when enforced    as push-local
//	…/push-local that waits   item in the circuit, announced      neither, and its data unseen, until 04 S5
//	                                                              it is approved
//	…/operations (/pending),  everybody's, for anybody            for members; all of them for those  03 S1
//	  …/pending-items                                             who decide
//	…/activities              for anybody                         for members                         03 S1
//	…/approve and …/reject of whoever names a manager; from any   the caller, in the path's circuit;  03 S2, S12, S18, S19
//	  operations              state; half of the effects          Pending, once; all that a push does
//	…/operations/{id}/reject  404                                 served                              03 S27
//	GET /docs                 the internal documentation tree     reference of the API only           01 §6.1 no. 17
//	GET /health/db            cached state                        asks, within 1 s                    01 §6.5 no. 5
//	GET /version              planned                             served, with go_version             01 §3.1
//	GET /livez /readyz        -                                   served                              design §8
//	GET /metrics              -                                   administrator, or public by         a loopback peer may be
//	                                                              configuration                       somebody's proxy
//	GET /openapi.json .yaml   -                                   served, public                      design §2.2
package api
