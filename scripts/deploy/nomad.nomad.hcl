# One load from many allocations, each on a client of its own. Registered once, dispatched for each load:
#
#   nomad job run -var shards=3 scripts/deploy/nomad.nomad.hcl
#   at=$(date -u -d '+60 seconds' +%FT%TZ)
#   nomad job dispatch -meta start_at=$at -meta url=http://target.example/ -meta rate=3000 -meta duration=60s loadgen
#   loadgen merge /mnt/records/$at --out result --threshold 'p99<50ms'
#
# The last where the volume is mounted, once `nomad job status` says that all have ended.

variable "shards" {
  type    = number
  default = 3
}

variable "image" {
  type    = string
  default = "registry.example/loadgen:0.1.0"
}

job "loadgen" {
  type = "batch"

  parameterized {
    payload       = "forbidden"
    meta_required = ["start_at", "url", "rate", "duration"]
    # Further options of loadgen, separated by blanks.
    meta_optional = ["options"]
  }

  meta {
    shards  = "${var.shards}"
    options = ""
  }

  group "shard" {
    count = var.shards

    constraint {
      distinct_hosts = true
    }

    # A shard is never sent twice: its instant has passed.
    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    # A volume that many clients write. Without one: an artifact store, to which a poststop task copies ${NOMAD_ALLOC_DIR}.
    volume "records" {
      type            = "csi"
      source          = "loadgen-records"
      access_mode     = "multi-node-multi-writer"
      attachment_mode = "file-system"
    }

    task "loadgen" {
      driver       = "docker"
      user         = "65532:65532"
      kill_timeout = "60s"

      config {
        image           = var.image
        entrypoint      = ["/bin/sh", "-c"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        args = [<<EOT
shard=$((NOMAD_ALLOC_INDEX + 1))
exec loadgen --shard "$shard/$NOMAD_META_shards" --start-at "$NOMAD_META_start_at" --rps "$NOMAD_META_rate" \
  --duration "$NOMAD_META_duration" $NOMAD_META_options \
  --out "/records/$NOMAD_META_start_at/$shard" --no-report --no-progress "$NOMAD_META_url"
EOT
        ]
      }

      volume_mount {
        volume      = "records"
        destination = "/records"
      }

      resources {
        cores  = 2
        memory = 512
      }
    }
  }
}
