"""The software bill of materials: what maturin lists, reduced to what the binary contains.

maturin lists the dependencies of all targets, and those that only build scripts use. It does not know of the C libraries
that crates contain, which are what scanners for vulnerabilities ask about.
"""

import json
import re
from datetime import datetime, timezone
from pathlib import Path

# The C libraries by the crate that contains them. The version of such a crate ends with that of the library.
C_LIBRARIES = {"openssl-src": "openssl", "zstd-sys": "zstd"}


def reduce_bill(path: Path, crates: list[dict], seconds: int) -> None:
    """Rewrites a bill of materials in CycloneDX so that it lists these crates and their C libraries, as of a time."""
    bill = json.loads(path.read_text())
    bill["metadata"]["timestamp"] = datetime.fromtimestamp(seconds, timezone.utc).isoformat()
    linked = {(crate["name"], crate["version"]) for crate in crates}
    kept = [item for item in bill["components"] if (item["name"], item["version"]) in linked]
    for item in kept:
        # All of them are in the binary, also the one that a build script compiles.
        item["scope"] = "required"
        if item["name"] in C_LIBRARIES:
            item["components"] = [c_library(item)]
    bill["components"] = kept
    application = bill["metadata"]["component"]
    references = {item["bom-ref"] for item in kept} | {application["bom-ref"]}
    bill["dependencies"] = [
        entry | {"dependsOn": [name for name in entry.get("dependsOn", []) if name in references]}
        for entry in bill["dependencies"]
        if entry["ref"] in references
    ]
    bill["metadata"].pop("properties", None)
    for name in ("purl", "components"):
        # They name files of the machine that built it.
        application.pop(name, None)
    text = json.dumps(bill, indent=2).replace(application["bom-ref"], f"sparkify@{application['version']}")
    path.write_text(text + "\n")


def c_library(crate: dict) -> dict:
    """Returns the component for the C library in a crate."""
    name = C_LIBRARIES[crate["name"]]
    version = re.search(r"\+(?:%s\.)?([\d.]+)$" % name, crate["version"]).group(1)
    reference = f"pkg:generic/{name}@{version}"
    return {"type": "library", "bom-ref": reference, "name": name, "version": version, "purl": reference}
