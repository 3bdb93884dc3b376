// What a node tells its operator, as JSON: the answers to `status`, `peers` (by name) and
// `netcheck`. Field names are a promise to programs. Names of peers and texts of others are as they
// were received; who shows them makes them harmless.
#pragma once

#include "json/value.h"
#include "node/mesh.h"

namespace sinew::node {

// "direct 192.0.2.1:51820", "relay de1", "-".
std::string route_text(const Mesh& mesh, const Peers::Entry& peer);

json::Value report_status(const Mesh& mesh, const Configuration& configuration);
json::Value report_peers(const Mesh& mesh, MonoTime now, WallTime wall);
json::Value report_netcheck(Mesh& mesh);

}  // namespace sinew::node
