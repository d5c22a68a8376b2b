# Reads how the functions and the tables declare themselves. Everything else in this folder follows from it, so
# adding a function only takes adding its folder.
#
#     functions/NAME/function.json    a function: its limits, what it may call, its routes, queues and schedule
#     crates/NAME/table.json          a table that several functions use
#     functions/NAME/table.json       a table that one function uses

locals {
  source_dir = "${path.module}/.."

  # The text of each file, by path. A text that is not JSON is one of the mistakes below.
  function_texts = { for path in fileset(local.source_dir, "functions/*/function.json") : path => file("${local.source_dir}/${path}") }
  table_texts    = { for path in fileset(local.source_dir, "{crates,functions}/*/table.json") : path => file("${local.source_dir}/${path}") }

  function_files = { for path, text in local.function_texts : basename(dirname(path)) => jsondecode(text) if can(jsondecode(text)) }
  table_files    = { for path, text in local.table_texts : path => jsondecode(text) if can(jsondecode(text)) }

  # The functions by name, with a default for everything that a function may leave out.
  declarations = {
    for name, declared in local.function_files : name => {
      kind            = try(declared.kind, "")
      description     = declared.description
      memory_mb       = declared.memory.mb
      timeout_seconds = declared.timeout.seconds
      uses = {
        tables = {
          for table, use in try(declared.uses.tables, {}) : table => {
            operations = try(use.operations, [])
            indexes    = try(use.indexes, {})
          }
        }
        queues   = try(declared.uses.queues, {})
        workflow = try(declared.uses.workflow, [])
        secrets  = try(declared.uses.secrets, [])
        settings = try(declared.uses.settings, [])
      }
      routes = {
        for route, options in try(declared.routes, {}) : route => {
          headers = try(options.headers, [])
          query   = try(options.query, [])
        }
      }
      receives = try(declared.receives, {})
      # A list of at most one schedule.
      schedules = [
        for schedule in try([declared.schedule], []) : {
          every_minutes = schedule.every_minutes
          input         = schedule.input
          failures      = try(schedule.failures, null)
        }
      ]
      queues = {
        for queue, options in try(declared.queues, {}) : queue => {
          description        = options.description
          visibility_seconds = options.visibility_seconds
          retention_days     = options.retention_days
          dead_letter        = try(options.redrive.to, null)
          max_receives       = try(options.redrive.max_receives, null)
        }
      }
      fence_tables = try([declared.step.fence.table], [])
    }
  }

  # `live` functions are called by their alias; the others are called by the definition, by version.
  # `parts` says which of routes, receives and schedule a function of this kind may have.
  function_kinds = {
    api        = { live = true, parts = ["routes"] }
    authorizer = { live = true, parts = [] }
    record     = { live = false, parts = [] }
    step       = { live = false, parts = [] }
    worker     = { live = true, parts = ["receives", "schedule"] }
  }

  # The placeholders in the definition.
  definition_file = "${local.source_dir}/statemachine/order-saga.asl.json"
  placeholders    = toset(flatten(regexall("\\$\\{(\\w+)\\}", file(local.definition_file))))

  # --- Mistakes -----------------------------------------------------------------------------------

  # Everything that may be declared only once, with the files that declare it.
  claims = {
    for claim in flatten([
      [for path, table in local.table_files : { what = "the table ${table.name}", path = path }],
      [
        for name, declared in local.declarations : concat(
          [for route in keys(declared.routes) : { what = "the route ${route}", path = "functions/${name}/function.json" }],
          [for queue in keys(declared.queues) : { what = "the queue ${queue}", path = "functions/${name}/function.json" }],
          [for queue in keys(declared.receives) : { what = "receiving from the queue ${queue}", path = "functions/${name}/function.json" }],
        )
      ],
    ]) : claim.what => claim.path...
  }

  # What the functions may refer to, and where it would have to be.
  referable = {
    table   = { names = keys(local.table_names), missing = "no table.json declares" }
    queue   = { names = keys(local.queue_names), missing = "no function.json declares" }
    secret  = { names = keys(local.secret_arns), missing = "locals.tf does not define" }
    setting = { names = keys(local.settings), missing = "locals.tf does not define" }
  }

  # Everything that the functions refer to, and whether it is declared.
  references = flatten([
    for name, declared in local.declarations : [
      for reference in concat(
        [for table in keys(declared.uses.tables) : { field = "uses.tables", kind = "table", name = table }],
        [for table in declared.fence_tables : { field = "step.fence.table", kind = "table", name = table }],
        [for queue in keys(declared.uses.queues) : { field = "uses.queues", kind = "queue", name = queue }],
        [for secret in declared.uses.secrets : { field = "uses.secrets", kind = "secret", name = secret }],
        [for setting in declared.uses.settings : { field = "uses.settings", kind = "setting", name = setting }],
        [for queue in keys(declared.receives) : { field = "receives", kind = "queue", name = queue }],
        [for schedule in declared.schedules : { field = "schedule.failures", kind = "queue", name = schedule.failures } if schedule.failures != null],
        [for queue, options in declared.queues : { field = "queues.${queue}.redrive.to", kind = "queue", name = options.dead_letter } if options.dead_letter != null],
        ) : merge(reference, {
          function = name
          declared = contains(local.referable[reference.kind].names, reference.name)
      })
    ]
  ])

  # The attributes in the keys of each table and of its indexes.
  key_attributes = {
    for name, table in local.tables : name => toset(compact(concat(
      [table.hash_key, table.range_key],
      flatten([for index in table.indexes : [index.hash_key, index.range_key]]),
    )))
  }

  declaration_problems = concat(
    [for path, text in merge(local.function_texts, local.table_texts) : "${path} is not valid JSON." if !can(jsondecode(text))],
    [
      for path in fileset(local.source_dir, "functions/*/Cargo.toml") :
      "${dirname(path)} has no function.json. Every function declares itself in one."
      if !contains(keys(local.function_texts), "${dirname(path)}/function.json")
    ],
    [
      for path in keys(local.function_texts) :
      "${dirname(path)} has a function.json but no Cargo.toml, so there is nothing to build."
      if !fileexists("${local.source_dir}/${dirname(path)}/Cargo.toml")
    ],
    [
      for name, declared in local.declarations :
      "functions/${name}/function.json: the kind ${jsonencode(declared.kind)} is not one of ${join(", ", keys(local.function_kinds))}."
      if !contains(keys(local.function_kinds), declared.kind)
    ],
    flatten([
      for name, declared in local.declarations : [
        for part in setsubtract(["receives", "routes", "schedule"], try(local.function_kinds[declared.kind].parts, ["receives", "routes", "schedule"])) :
        "functions/${name}/function.json: the kind ${declared.kind} takes no ${part}."
        if contains(keys(local.function_files[name]), part)
      ]
    ]),
    flatten([
      for name, declared in local.declarations : [
        for route in keys(declared.routes) :
        "functions/${name}/function.json: the route ${jsonencode(route)} is not a method and a path, such as GET /orders/{orderId}."
        if !can(regex(local.route_form, route))
      ]
    ]),
    [
      for reference in local.references :
      "functions/${reference.function}/function.json: ${reference.field} names the ${reference.kind} ${reference.name}, which ${local.referable[reference.kind].missing}."
      if !reference.declared
    ],
    flatten([
      for name, declared in local.declarations : [
        for table, use in declared.uses.tables : [
          for index in keys(use.indexes) :
          "functions/${name}/function.json: uses.tables.${table}.indexes names the index ${index}, which ${local.tables[table].path} does not declare."
          if !contains(keys(local.tables[table].indexes), index)
        ] if contains(keys(local.tables), table)
      ]
    ]),
    flatten([
      for name, table in local.tables : concat(
        [for attribute in setsubtract(local.key_attributes[name], keys(table.attributes)) : "${table.path}: a key names the attribute ${attribute}, which is missing from attributes."],
        [for attribute in setsubtract(keys(table.attributes), local.key_attributes[name]) : "${table.path}: attributes has ${attribute}, which is not part of a key. DynamoDB accepts only the attributes of keys."],
      )
    ]),
    [
      for placeholder in setsubtract(local.placeholders, keys(local.task_functions)) :
      "statemachine/order-saga.asl.json names $${${placeholder}}, but no function of the kind record or step has that name."
    ],
    contains(keys(local.declarations), "recover-orders") ? [] : ["functions/recover-orders is missing. alarms.tf watches its metrics."],
    contains(keys(local.declarations), "authorize") ? [] : ["functions/authorize is missing. identity.tf has API Gateway call it."],
    [
      for what, paths in local.claims :
      "${join(" and ", paths)}: each declares ${what}, but only one of them may."
      if length(paths) > 1
    ],
  )
}

# Not a resource on AWS. The tables, the queues and the functions' roles depend on it, so a mistake is reported here
# and nowhere else.
resource "terraform_data" "declarations" {
  lifecycle {
    precondition {
      condition     = length(local.declaration_problems) == 0
      error_message = join("\n", local.declaration_problems)
    }
  }
}
