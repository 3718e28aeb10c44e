# SPDX-License-Identifier: Apache-2.0
#
# A build policy for docker buildx (0.31 or newer, with BuildKit 0.26 or newer) that builds with the images which
# tlog-dockerfile has checked, and with no other. It takes the place of the frontend where that cannot be used.
#
# Put it beside the Dockerfile, and with it what this prints:
#
#     docker buildx build --call tlog.rego-data . > tlog-images.json
package docker

pins := load_json("tlog-images.json").images

# Images that the build needs besides those of the Dockerfile, such as the frontend of its syntax line.
trusted_repositories := {"docker.io/docker/dockerfile"}

name := sprintf("%s:%s", [input.image.fullRepo, input.image.tag])

default allow := false

# Git repositories, archives and local files name no tag of a registry.
allow if not input.image

# Who wrote the digest gets that one.
allow if input.image.isCanonical

allow if input.image.fullRepo in trusted_repositories

# Whatever the tag names now, the build gets what was checked.
allow if pin_image(input.image, pins[name])

deny_msg contains sprintf("%s is not in tlog-images.json: no record of it was checked", [name]) if {
	not allow
}

decision := {"allow": allow, "deny_msg": deny_msg}
