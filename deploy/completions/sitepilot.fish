# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sitepilot_global_optspecs
    string join \n config= json h/help V/version
end

function __fish_sitepilot_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sitepilot_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sitepilot_using_subcommand
    set -l cmd (__fish_sitepilot_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sitepilot -n "__fish_sitepilot_needs_command" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_needs_command" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -s V -l version -d 'Print version'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "init" -d 'Write the config of a new site, from a few answers'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "run" -d 'Run the controller'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "check" -d 'Check a config and what it points to'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "backup" -d 'The whole site in one file: ledger, accounts, config and secrets, running or stopped'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "restore" -d 'Put a backup in its place, on this machine or a new one'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "status" -d 'The whole site, from the running controller'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "doctor" -d 'What is the matter, and all that helps to find out, in one text without secrets'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "orders" -d 'The ledger'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "meters" -d 'The meters and their buses'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "piles" -d 'The piles'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "uplinks" -d 'The uplinks'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "decode" -d 'Any frame, readable'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "sim" -d 'A simulated peer, for a bench or a lab'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "demo" -d 'A whole site in one process, with outages and a verdict; needs no config'
complete -c sitepilot -n "__fish_sitepilot_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l code -d 'Station code, as the cloud knows it' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l name -d 'Name of the site, for people; the station code if left out' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l timezone -d 'Time zone in which tariffs apply, such as Asia/Shanghai' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l cloud-url -d 'The cloud\'s MQTT broker, such as mqtts://mqtt.example.com:8883' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l cloud-code-file -d 'The file with the code that a registration at the cloud is allowed with' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l cloud-password-file -d 'The file with the password of the cloud\'s default account' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l cloud-revision -d 'The revision of the protocol that the cloud speaks: 1.0 or 1.10' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l part-number -d 'Part number of this site, as agreed with the cloud' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l serial -d 'Serial number of this site, as agreed with the cloud; the station code if left out' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l vendor -d 'Vendor of this site, as agreed with the cloud' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l username -d 'The cloud\'s default account, with which the site registers' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l pile -d 'Serial number of a pile that may register; once for each pile' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l connectors -d 'Connectors of each pile' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l port -d 'Serial port with meters; once for each port. Left out, every RS-485 adapter becomes a bus' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l data-dir -d 'Where the ledger is kept; left out, /var/lib/sitepilot' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l no-input -d 'Ask nothing: what is missing is an error'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l force -d 'Write a new config where there is one; the old one is kept as site.toml.old'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand init" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand run" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand run" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand run" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand check" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand check" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand check" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand backup" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand backup" -l force -d 'Replace the file if it is there'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand backup" -l if-outdated -d 'Only if this version would migrate the ledger'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand backup" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand backup" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand restore" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand restore" -l force -d 'Set aside what is there'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand restore" -l ledger-only -d 'Only the ledger; config and accounts stay as they are'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand restore" -l config-only -d 'Only the config with its secrets; ledger and accounts stay as they are'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand restore" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand restore" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand status" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand status" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand status" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand doctor" -l output -d 'Write it to a new file that nobody else can read, instead of stdout' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand doctor" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand doctor" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "list" -d 'Newest first'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "show" -d 'One order with all that is known of it'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "export" -d 'All orders, newest first'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "retry" -d 'Send an order again that a backend has refused'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "import" -d 'Take over the orders of another ledger, such as one that was set aside'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "verify" -d 'Check the journal\'s chain, and the orders against it'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "summary" -d 'How many orders there are, and how many are not settled'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and not __fish_seen_subcommand_from list show export retry import verify summary help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l state -d 'authorised, charging, stopping, interrupted, recorded or settled' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l pile -d 'Code of a pile' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l since -d 'Begun at or after, such as 2026-11-20 or 2026-11-20T08:00:00+08:00' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l limit -d 'At most that many' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from show" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from show" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l format -d 'How' -r -f -a "csv\t'Comma separated, with a heading'
jsonl\t'One JSON document a line'"
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l state -d 'authorised, charging, stopping, interrupted, recorded or settled' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l pile -d 'Code of a pile' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l since -d 'Begun at or after, such as 2026-11-20 or 2026-11-20T08:00:00+08:00' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from retry" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from retry" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from retry" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from import" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from import" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from import" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from verify" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from verify" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from verify" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from summary" -l ledger -d 'Read this ledger instead, on a copy: a file, a backup, or the data directory of a card' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from summary" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from summary" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from summary" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "list" -d 'Newest first'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "show" -d 'One order with all that is known of it'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "export" -d 'All orders, newest first'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Send an order again that a backend has refused'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "import" -d 'Take over the orders of another ledger, such as one that was set aside'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check the journal\'s chain, and the orders against it'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "summary" -d 'How many orders there are, and how many are not settled'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand orders; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -f -a "list" -d 'The meters with their last values, and how their buses do'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -f -a "read" -d 'Read a meter now, and show its registers; opens the port itself if no controller runs'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -f -a "scan" -d 'Find meters on a bus and guess what they are; borrows the bus from a running controller'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -f -a "replaced" -d 'A meter was replaced or reset: begin anew with its next reading'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and not __fish_seen_subcommand_from list read scan replaced help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from list" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from read" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from read" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from read" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -l bus -d 'The bus, as in the config' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -l addresses -d 'Which addresses, such as 1-20,100' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -l speeds -d 'Try these speeds at each parity, whatever is found; by default the common ones, until something is found' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -l timeout-ms -d 'How long to wait for each answer' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from scan" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from replaced" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from replaced" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from replaced" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from help" -f -a "list" -d 'The meters with their last values, and how their buses do'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from help" -f -a "read" -d 'Read a meter now, and show its registers; opens the port itself if no controller runs'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from help" -f -a "scan" -d 'Find meters on a bus and guess what they are; borrows the bus from a running controller'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from help" -f -a "replaced" -d 'A meter was replaced or reset: begin anew with its next reading'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand meters; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and not __fish_seen_subcommand_from list forget help" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and not __fish_seen_subcommand_from list forget help" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and not __fish_seen_subcommand_from list forget help" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and not __fish_seen_subcommand_from list forget help" -f -a "list" -d 'Registered and seen piles, and whether they are there'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and not __fish_seen_subcommand_from list forget help" -f -a "forget" -d 'Let a replaced or reset pile register again'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and not __fish_seen_subcommand_from list forget help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from list" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from forget" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from forget" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from forget" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from help" -f -a "list" -d 'Registered and seen piles, and whether they are there'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from help" -f -a "forget" -d 'Let a replaced or reset pile register again'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand piles; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and not __fish_seen_subcommand_from list retire help" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and not __fish_seen_subcommand_from list retire help" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and not __fish_seen_subcommand_from list retire help" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and not __fish_seen_subcommand_from list retire help" -f -a "list" -d 'Their links, what they are owed and how fast it goes out'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and not __fish_seen_subcommand_from list retire help" -f -a "retire" -d 'Owe nothing more to an uplink that was taken out of the config'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and not __fish_seen_subcommand_from list retire help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from list" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from retire" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from retire" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from retire" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from help" -f -a "list" -d 'Their links, what they are owed and how fast it goes out'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from help" -f -a "retire" -d 'Owe nothing more to an uplink that was taken out of the config'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand uplinks; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand decode" -l wire -d 'What the bytes are' -r -f -a "charger-1.0\t'The charging-station protocol of 2018: an APDU'
charger-1.10\t'The charging-station protocol, revision 1.10: an APDU'
ec\t'EC TCP: frames, also several, and what is between them'
jcpp\t'JCPP: a message of the uplink queue'
peaq\t'peaq: an event, or the bare state of a charge point'"
complete -c sitepilot -n "__fish_sitepilot_using_subcommand decode" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand decode" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand decode" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -f -a "pile" -d 'A charging pile; lines on stdin: start CONNECTOR CARD, stop CONNECTOR, vanish MS, cut MS, forget MS, repeat, dispute, orders'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -f -a "meter" -d 'A meter, or several on one line; lines on stdin, of another meter than the first with @ADDRESS before them: load W [MS W MS ...], energy WH, replace, values, silent [MS], late MS [N], split MS [N], babble MS [N], half [N], flip [N], noise [N], twice [N], echo [N], wrong [N], function [N], count BY [N], exception CODE [N], stuck [N], well, unplug, plug; N answers, without N for ever'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -f -a "backend" -d 'A cloud backend, beside a broker such as mosquitto; lines on stdin: start DEVICE PILE CONNECTOR CARD, stop DEVICE CONNECTOR TRANSACTION, orders DEVICE, get DEVICE [KEY], set DEVICE KEY VALUE, reset DEVICE, log DEVICE URL, update DEVICE URL, repeat, silent, hold, refuse STATUS, wrong, well, restart, books, measured'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -f -a "ec-server" -d 'A server of EC TCP, to which a controller connects; lines on stdin: deaf (neither reads nor speaks, while its system accepts), numb (speaks and does not read), mute (reads and does not speak), well, cut (ends all links), restart (loses what is not stored), books, records'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and not __fish_seen_subcommand_from pile meter backend ec-server help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l broker -d 'The broker, such as mqtt://127.0.0.1:1883 or mqtts://cloud.example.com:8883' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l ca-file -d 'Who signs the broker\'s certificate' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l certificate-file -d 'The peer\'s own certificate, where the broker asks for one' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l key-file -d 'Its key' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l revision -d 'The revision of the protocol it speaks: 1.0 or 1.10' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l seconds -d 'Ends by itself after so many seconds' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l seed -d 'Seed of whatever is random' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l code -d 'Pile code; left out, the pile registers first' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l serial -d 'Serial number' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l username -d 'Account to register with' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l password -d 'Password; where a pile registers, that of the account to register with' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l password-file -d 'The password\'s file; a line break at its end does not count' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l registration-code -d 'What the registration is allowed with' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l account-file -d 'Where the account of a registration is kept, to come back with it' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l connectors -d 'Number of connectors' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l speed -d 'Multiplies the power' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l auto -d 'Begins sessions by itself, about so many seconds long' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l card -d 'Cards the pile chooses from' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from pile" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l profile -d 'Profile of the meter, by its name or file; several, as in NAME@ADDRESS, make several meters on one line' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l address -d 'Address of the meter whose profile is given without one' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l serial -d 'A serial port' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l pty -d 'A pseudo-terminal, which a controller opens as a serial port under the path LINK' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l tcp -d 'A port of TCP, such as 127.0.0.1:1502' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l framing -d 'How TCP is used: tcp for Modbus TCP, rtu for a converter that passes RTU on' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l baud -d 'Speed of the serial port; left out, that of the profile' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l parity -d 'Its parity: none, even or odd' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l stop-bits -d 'Its stop bits: 1 or 2' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l load -d 'What flows, in W; negative: towards the grid' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l energy -d 'Where the import register begins, in Wh' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l seconds -d 'Ends by itself after so many seconds' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l seed -d 'Seed of whatever is random' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l quiet -d 'Tells only of refusals and of faults'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from meter" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l broker -d 'The broker, such as mqtt://127.0.0.1:1883 or mqtts://cloud.example.com:8883' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l ca-file -d 'Who signs the broker\'s certificate' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l certificate-file -d 'The peer\'s own certificate, where the broker asks for one' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l key-file -d 'Its key' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l revision -d 'The revision of the protocol it speaks: 1.0 or 1.10' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l seconds -d 'Ends by itself after so many seconds' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l seed -d 'Seed of whatever is random' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l username -d 'Account at the broker' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l password -d 'Password; where a pile registers, that of the account to register with' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l password-file -d 'The password\'s file; a line break at its end does not count' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l registration-code -d 'What a registration is allowed with' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l interval -d 'Between heartbeats of a station' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from backend" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l listen -d 'Where gates connect' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l heartbeat-s -d 'Between heartbeats of the server' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l silence-s -d 'Closes a link on which nothing was heard for so long' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l store-ms -d 'From reading a record to storing it; a restart in between loses it' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l seconds -d 'Ends by itself after so many seconds' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l quiet -d 'Tells only of records'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from ec-server" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from help" -f -a "pile" -d 'A charging pile; lines on stdin: start CONNECTOR CARD, stop CONNECTOR, vanish MS, cut MS, forget MS, repeat, dispute, orders'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from help" -f -a "meter" -d 'A meter, or several on one line; lines on stdin, of another meter than the first with @ADDRESS before them: load W [MS W MS ...], energy WH, replace, values, silent [MS], late MS [N], split MS [N], babble MS [N], half [N], flip [N], noise [N], twice [N], echo [N], wrong [N], function [N], count BY [N], exception CODE [N], stuck [N], well, unplug, plug; N answers, without N for ever'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from help" -f -a "backend" -d 'A cloud backend, beside a broker such as mosquitto; lines on stdin: start DEVICE PILE CONNECTOR CARD, stop DEVICE CONNECTOR TRANSACTION, orders DEVICE, get DEVICE [KEY], set DEVICE KEY VALUE, reset DEVICE, log DEVICE URL, update DEVICE URL, repeat, silent, hold, refuse STATUS, wrong, well, restart, books, measured'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from help" -f -a "ec-server" -d 'A server of EC TCP, to which a controller connects; lines on stdin: deaf (neither reads nor speaks, while its system accepts), numb (speaks and does not read), mute (reads and does not speak), well, cut (ends all links), restart (loses what is not stored), books, records'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand sim; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand demo" -l seconds -d 'Length of the story' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand demo" -l seed -d 'The same story for the same seed' -r
complete -c sitepilot -n "__fish_sitepilot_using_subcommand demo" -l config -d 'The config' -r -F
complete -c sitepilot -n "__fish_sitepilot_using_subcommand demo" -l json -d 'Print one JSON document instead of a table'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand demo" -s h -l help -d 'Print help'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "init" -d 'Write the config of a new site, from a few answers'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "run" -d 'Run the controller'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "check" -d 'Check a config and what it points to'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "backup" -d 'The whole site in one file: ledger, accounts, config and secrets, running or stopped'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "restore" -d 'Put a backup in its place, on this machine or a new one'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "status" -d 'The whole site, from the running controller'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "doctor" -d 'What is the matter, and all that helps to find out, in one text without secrets'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "orders" -d 'The ledger'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "meters" -d 'The meters and their buses'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "piles" -d 'The piles'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "uplinks" -d 'The uplinks'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "decode" -d 'Any frame, readable'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "sim" -d 'A simulated peer, for a bench or a lab'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "demo" -d 'A whole site in one process, with outages and a verdict; needs no config'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and not __fish_seen_subcommand_from init run check backup restore status doctor orders meters piles uplinks decode sim demo help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "list" -d 'Newest first'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "show" -d 'One order with all that is known of it'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "export" -d 'All orders, newest first'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "retry" -d 'Send an order again that a backend has refused'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "import" -d 'Take over the orders of another ledger, such as one that was set aside'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "verify" -d 'Check the journal\'s chain, and the orders against it'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from orders" -f -a "summary" -d 'How many orders there are, and how many are not settled'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from meters" -f -a "list" -d 'The meters with their last values, and how their buses do'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from meters" -f -a "read" -d 'Read a meter now, and show its registers; opens the port itself if no controller runs'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from meters" -f -a "scan" -d 'Find meters on a bus and guess what they are; borrows the bus from a running controller'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from meters" -f -a "replaced" -d 'A meter was replaced or reset: begin anew with its next reading'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from piles" -f -a "list" -d 'Registered and seen piles, and whether they are there'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from piles" -f -a "forget" -d 'Let a replaced or reset pile register again'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from uplinks" -f -a "list" -d 'Their links, what they are owed and how fast it goes out'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from uplinks" -f -a "retire" -d 'Owe nothing more to an uplink that was taken out of the config'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from sim" -f -a "pile" -d 'A charging pile; lines on stdin: start CONNECTOR CARD, stop CONNECTOR, vanish MS, cut MS, forget MS, repeat, dispute, orders'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from sim" -f -a "meter" -d 'A meter, or several on one line; lines on stdin, of another meter than the first with @ADDRESS before them: load W [MS W MS ...], energy WH, replace, values, silent [MS], late MS [N], split MS [N], babble MS [N], half [N], flip [N], noise [N], twice [N], echo [N], wrong [N], function [N], count BY [N], exception CODE [N], stuck [N], well, unplug, plug; N answers, without N for ever'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from sim" -f -a "backend" -d 'A cloud backend, beside a broker such as mosquitto; lines on stdin: start DEVICE PILE CONNECTOR CARD, stop DEVICE CONNECTOR TRANSACTION, orders DEVICE, get DEVICE [KEY], set DEVICE KEY VALUE, reset DEVICE, log DEVICE URL, update DEVICE URL, repeat, silent, hold, refuse STATUS, wrong, well, restart, books, measured'
complete -c sitepilot -n "__fish_sitepilot_using_subcommand help; and __fish_seen_subcommand_from sim" -f -a "ec-server" -d 'A server of EC TCP, to which a controller connects; lines on stdin: deaf (neither reads nor speaks, while its system accepts), numb (speaks and does not read), mute (reads and does not speak), well, cut (ends all links), restart (loses what is not stored), books, records'
