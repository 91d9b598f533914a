//! The table of known fields: ECS, OCSF, CEF, LEEF, Sysmon, Zeek, Suricata and cloud services.

use std::sync::LazyLock;

use crate::{
    extract::field::{Class, Field},
    model::Role,
};

/// Paths are lower case; one that starts with `^` has to be the whole path, any other may stand behind further segments.
type Rule = (&'static str, Role, Class);

#[rustfmt::skip]
const RULES: &[Rule] = {
    use Class::*;
    use Role::{Answer, Asset, Cert, Destination, File, Forwarded, Freetext, Module, Observer, Process, Query, Recipient, Referrer, Sender, Sni, Source};
    use Role::Url as Link;
    &[
        // Far end.
        ("destination.ip", Destination, Ip), ("server.ip", Destination, Ip), ("destination.nat.ip", Destination, Ip),
        ("destination.address", Destination, Host), ("server.address", Destination, Host),
        ("destination.domain", Destination, Host), ("server.domain", Destination, Host),
        ("destination.registered_domain", Destination, Host), ("server.registered_domain", Destination, Host),
        ("dst_endpoint.ip", Destination, Ip), ("dst_endpoint.hostname", Destination, Host), ("dst_endpoint.domain", Destination, Host),
        ("dst", Destination, Ip), ("^dhost", Destination, Host), ("destinationdnsdomain", Destination, Host),
        ("destinationtranslatedaddress", Destination, Ip), ("dstpostnat", Destination, Ip),
        ("destinationip", Destination, Ip), ("destinationhostname", Destination, Host), ("destaddress", Destination, Ip),
        ("dstip", Destination, Ip), ("dst_ip", Destination, Ip), ("dest_ip", Destination, Ip), ("destip", Destination, Ip), ("dest", Destination, Host),
        ("destination_ip", Destination, Ip), ("dstaddr", Destination, Ip), ("daddr", Destination, Ip), ("remote_ip", Destination, Ip),
        ("id.resp_h", Destination, Ip), ("remoteip", Destination, Ip), ("remoteurl", Destination, Url), ("http.hostname", Destination, Host),
        ("http.http_host", Destination, Host), ("^dst_host", Destination, Host), ("^dsthost", Destination, Host),
        ("network_destination.ip", Destination, Ip),
        // Near end.
        ("source.ip", Source, Ip), ("client.ip", Source, Ip), ("source.nat.ip", Source, Ip), ("src_endpoint.ip", Source, Ip),
        ("source.address", Source, Host), ("client.address", Source, Host), ("source.domain", Source, Host), ("client.domain", Source, Host),
        ("src_endpoint.hostname", Source, Host), ("src_endpoint.domain", Source, Host), ("src", Source, Ip), ("^shost", Source, Machine),
        ("sourcednsdomain", Source, Host), ("sourcetranslatedaddress", Source, Ip), ("srcpostnat", Source, Ip),
        ("sourceip", Source, Ip), ("sourcehostname", Source, Machine), ("sourceaddress", Source, Ip),
        ("srcip", Source, Ip), ("src_ip", Source, Ip), ("source_ip", Source, Ip), ("srcaddr", Source, Ip), ("saddr", Source, Ip),
        ("id.orig_h", Source, Ip), ("sourceipaddress", Source, Ip), ("client.ipaddress", Source, Ip), ("ipaddress", Source, Ip),
        ("clientip", Source, Ip), ("client_ip", Source, Ip), ("rhost", Source, Host), ("remote_addr", Source, Ip),
        ("calleripaddress", Source, Ip), ("^remip", Source, Ip), ("x_originating_ip", Sender, Ip), ("senderipv4", Sender, Ip), ("senderipv6", Sender, Ip),
        ("localip", Asset, Ip),
        // Chains.
        ("network.forwarded_ip", Forwarded, Ip), ("x_forwarded_for", Forwarded, Ip), ("intermediate_ips", Forwarded, Ip),
        ("^proxied", Forwarded, Ip), ("http.xff", Forwarded, Ip), ("alert.xff", Forwarded, Ip), ("ipchain.ip", Forwarded, Ip),
        ("x-forwarded-for", Forwarded, Ip), ("^xff", Forwarded, Ip), ("proxy_endpoint.ip", Forwarded, Ip),
        // Own machines and sensors.
        ("observer.ip", Observer, Ip), ("observer.hostname", Observer, Machine), ("observer.name", Observer, Name), ("log.syslog.hostname", Observer, Machine),
        ("host.ip", Asset, Ip), ("host.name", Asset, Machine), ("host.hostname", Asset, Machine), ("device.ip", Asset, Ip), ("device.hostname", Asset, Machine),
        ("dvc", Observer, Ip), ("dvchost", Observer, Machine), ("agt", Observer, Ip), ("ahost", Observer, Machine), ("identsrc", Asset, Ip), ("identhostname", Asset, Machine),
        ("computer", Asset, Machine), ("computername", Asset, Machine), ("hostname", Asset, Machine), ("devicename", Asset, Machine),
        ("agent.hostname", Asset, Machine), ("agent.name", Asset, Name), ("beat.hostname", Asset, Machine), ("winlog.computer_name", Asset, Machine),
        ("devname", Observer, Machine), ("^syslog.hostname", Observer, Machine), ("collector", Observer, Machine),
        // Names asked for and answers.
        ("dns.question.name", Query, Host), ("dns.question.registered_domain", Query, Host), ("query.hostname", Query, Host),
        ("queryname", Query, Host), ("^query", Query, Host), ("dns.rrname", Query, Host), ("dns.query.rrname", Query, Host), ("dns.queries.rrname", Query, Host),
        ("^qname", Query, Host), ("query_name", Query, Host), ("query_string", Freetext, Text),
        ("dns.request", Query, Host), ("dns.response", Answer, Text), ("dns_query_name", Query, Host), ("dns_query", Query, Host), ("dns.resolved_ip", Answer, Ip), ("dns.answers.data", Answer, Url), ("dns.answers.name", Answer, Host), ("answers.rdata", Answer, Url),
        ("queryresults", Answer, Text), ("^answers", Answer, Url), ("dns.grouped.a", Answer, Ip), ("dns.grouped.aaaa", Answer, Ip),
        ("dns.grouped.cname", Answer, Host), ("dns.grouped.ns", Answer, Host), ("dns.grouped.mx", Answer, Host), ("dns.answers.rrname", Answer, Host), ("dns.rdata", Answer, Url),
        // Links.
        ("url.full", Link, Url), ("url.original", Link, Url), ("url.domain", Link, Host), ("url.registered_domain", Link, Host),
        ("url.url_string", Link, Url), ("url.hostname", Link, Host), ("url.path", Freetext, Path), ("url.query", Freetext, Text),
        ("url.top_level_domain", Freetext, Name), ("url.subdomain", Freetext, Name), ("url.extension", Freetext, Name),
        ("^request", Link, Url), ("^url", Link, Url), ("urlchain", Link, Url), ("urldomain", Link, Host), ("hosturl", Link, Url),
        ("email.urls", Link, Url), ("email.url", Link, Url), ("file.origin_url", Link, Url), ("file.url", Link, Url), ("file.uri", Link, Url),
        ("fileoriginurl", Link, Url), ("fileoriginip", Link, Ip), ("http.url", Freetext, Path), ("^uri", Freetext, Path), ("cs_uri_stem", Freetext, Path),
        ("http.request.referrer", Referrer, Url), ("origin_referrer_url", Referrer, Url), ("http_request.referrer", Referrer, Url),
        ("requestcontext", Referrer, Url), ("referrer", Referrer, Url), ("referer", Referrer, Url), ("http_refer", Referrer, Url),
        ("referrerurl", Referrer, Url), ("fileoriginreferrerurl", Referrer, Url), ("http_referer", Referrer, Url), ("http_referrer", Referrer, Url),
        // TLS.
        ("tls.client.server_name", Sni, Host), ("tls.sni", Sni, Host), ("quic.sni", Sni, Host), ("server_name", Sni, Host), ("^sni", Sni, Host),
        ("tls.server.hash.md5", Cert, Hash), ("tls.server.hash.sha1", Cert, Hash), ("tls.server.hash.sha256", Cert, Hash),
        ("tls.client.hash.md5", Cert, Hash), ("tls.client.hash.sha1", Cert, Hash), ("tls.client.hash.sha256", Cert, Hash),
        ("fingerprints.value", Cert, Hash), ("tls.fingerprint", Cert, Hash), ("^fingerprint", Cert, Hash),
        ("cert_chain_fps", Cert, Hash), ("client_cert_chain_fps", Cert, Hash), ("cert_chain_fuids", Freetext, Id),
        ("tls.subject", Cert, Text), ("tls.issuerdn", Cert, Text), ("x509.alternative_names", Cert, Url), ("san.dns", Cert, Url),
        ("tls.ja3.hash", Freetext, Nothing), ("tls.ja3s.hash", Freetext, Nothing), ("tls.client.ja3", Freetext, Nothing), ("tls.server.ja3s", Freetext, Nothing),
        ("ja3", Freetext, Nothing), ("ja3s", Freetext, Nothing), ("ja4", Freetext, Nothing), ("ja3_hash.value", Freetext, Nothing), ("ja3s_hash.value", Freetext, Nothing),
        ("ja3.string", Freetext, Nothing), ("ja3s.string", Freetext, Nothing), ("hassh", Freetext, Nothing), ("hasshserver", Freetext, Nothing),
        ("imphash", Freetext, Nothing), ("telfhash", Freetext, Nothing), ("ssdeep", Freetext, Nothing), ("tlsh", Freetext, Nothing), ("serial_number", Freetext, Nothing),
        ("serialnumber", Freetext, Nothing), ("serial", Freetext, Nothing), ("issuernamehash", Freetext, Nothing), ("issuerkeyhash", Freetext, Nothing), ("certificate.serial", Freetext, Nothing), ("tls.serial", Freetext, Nothing),
        // Hashes.
        ("file.hash.md5", File, Hash), ("file.hash.sha1", File, Hash), ("file.hash.sha256", File, Hash), ("file.hash.sha512", File, Hash),
        ("file.hashes.value", File, Hash), ("files.hashes.value", File, Hash), ("process.file.hashes.value", Process, Hash), ("module.file.hashes.value", Module, Hash),
        ("process.hash.md5", Process, Hash), ("process.hash.sha1", Process, Hash), ("process.hash.sha256", Process, Hash), ("process.hash.sha512", Process, Hash),
        ("process.parent.hash.md5", Process, Hash), ("process.parent.hash.sha1", Process, Hash), ("process.parent.hash.sha256", Process, Hash),
        ("dll.hash.md5", Module, Hash), ("dll.hash.sha1", Module, Hash), ("dll.hash.sha256", Module, Hash), ("dll.hash.sha512", Module, Hash),
        ("driver.hash.md5", Module, Hash), ("driver.hash.sha1", Module, Hash), ("driver.hash.sha256", Module, Hash),
        ("initiatingprocessmd5", Process, Hash), ("initiatingprocesssha1", Process, Hash), ("initiatingprocesssha256", Process, Hash),
        ("filehash", File, Hash), ("oldfilehash", File, Hash), ("hashes", File, Hash), ("hash", File, Hash),
        ("md5", File, Hash), ("sha1", File, Hash), ("sha256", File, Hash), ("sha512", File, Hash), ("related.hash", File, Hash),
        // Mail.
        ("email.from.address", Sender, Email), ("email.sender.address", Sender, Email), ("email.reply_to.address", Sender, Email),
        ("email.from", Sender, Email), ("email.smtp_from", Sender, Email), ("email.reply_to", Sender, Email), ("mailfrom", Sender, Email), ("^from", Sender, Email),
        ("^reply_to", Sender, Email), ("smtp.mail_from", Sender, Email), ("senderfromaddress", Sender, Email), ("sendermailfromaddress", Sender, Email), ("^sender", Sender, Email),
        ("email.to.address", Recipient, Email), ("email.cc.address", Recipient, Email), ("email.bcc.address", Recipient, Email),
        ("email.to", Recipient, Email), ("email.smtp_to", Recipient, Email), ("email.cc", Recipient, Email), ("rcptto", Recipient, Email), ("^to", Recipient, Email),
        ("smtp.rcpt_to", Recipient, Email), ("^recipient", Recipient, Email), ("recipientemailaddress", Recipient, Email),
        ("suser", Sender, Name), ("duser", Recipient, Name), ("usrname", Freetext, Name), ("email.message_id", Freetext, Nothing), ("msg_id", Freetext, Nothing),
        // Zeek's `host` is a name in its HTTP log and a machine elsewhere.
        ("^host", Destination, Machine),
        // Files, paths, code: no names of hosts.
        ("file.path", Freetext, Path), ("file.name", Freetext, Path), ("file.target_path", Freetext, Path), ("process.executable", Freetext, Path),
        ("process.name", Freetext, Path), ("process.working_directory", Freetext, Path), ("process.parent.executable", Freetext, Path), ("process.parent.name", Freetext, Path),
        ("dll.name", Freetext, Path), ("dll.path", Freetext, Path), ("registry.path", Freetext, Path), ("registry.key", Freetext, Path), ("registry.value", Freetext, Path),
        ("process.pe.original_file_name", Freetext, Path), ("originalfilename", Freetext, Path), ("original_file_name", Freetext, Path), ("fname", Freetext, Path), ("sproc", Freetext, Path), ("dproc", Freetext, Path),
        ("image", Freetext, Path), ("parentimage", Freetext, Path), ("sourceimage", Freetext, Path), ("targetimage", Freetext, Path), ("imageloaded", Freetext, Path),
        ("targetfilename", Freetext, Path), ("targetobject", Freetext, Path), ("objectname", Freetext, Path), ("relativetargetname", Freetext, Path), ("newprocessname", Freetext, Path),
        ("processname", Freetext, Path), ("parentprocessname", Freetext, Path), ("application", Freetext, Path), ("currentdirectory", Freetext, Path), ("sharename", Freetext, Path),
        ("calltrace", Freetext, Path), ("fileinfo.filename", Freetext, Path), ("files.filename", Freetext, Path), ("filename", Freetext, Path), ("pipename", Freetext, Path),
        ("details", Freetext, Command), ("startmodule", Freetext, Path), ("startfunction", Freetext, Path), ("signature", Freetext, Name), ("product", Freetext, Name), ("company", Freetext, Name),
        ("process.command_line", Freetext, Command), ("process.args", Freetext, Command), ("process.parent.command_line", Freetext, Command), ("process.parent.args", Freetext, Command),
        // Arguments in records of the audit of Linux.
        ("^a0", Freetext, Command), ("^a1", Freetext, Command), ("^a2", Freetext, Command), ("^a3", Freetext, Command), ("^a4", Freetext, Command),
        ("^a5", Freetext, Command), ("^a6", Freetext, Command), ("^a7", Freetext, Command), ("^a8", Freetext, Command), ("^a9", Freetext, Command),
        ("commandline", Freetext, Command), ("parentcommandline", Freetext, Command), ("process.cmd_line", Freetext, Command), ("scriptblocktext", Freetext, Command),
        ("powershell.file.script_block_text", Freetext, Command), ("payload", Freetext, Command), ("contextinfo", Freetext, Command),
        ("user.name", Freetext, Name), ("user.full_name", Freetext, Name), ("user.domain", Freetext, Name), ("user.id", Freetext, Id), ("user.email", Freetext, Email), ("related.user", Freetext, Name),
        ("^user", Freetext, Name), ("username", Freetext, Name), ("targetusername", Freetext, Name), ("subjectusername", Freetext, Name), ("targetdomainname", Freetext, Machine), ("subjectdomainname", Freetext, Name),
        ("accountname", Freetext, Name), ("targetoutboundusername", Freetext, Name), ("targetoutbounddomainname", Freetext, Name),
        ("event.action", Freetext, Name), ("event.dataset", Freetext, Name), ("event.module", Freetext, Name), ("event.provider", Freetext, Name), ("event.category", Freetext, Name), ("event.code", Freetext, Name),
        ("event.kind", Freetext, Nothing), ("event.type", Freetext, Nothing), ("data_stream.dataset", Freetext, Name), ("data_stream.namespace", Freetext, Name), ("data_stream.type", Freetext, Nothing),
        ("log.logger", Freetext, Name), ("logger", Freetext, Name), ("logger_name", Freetext, Name), ("log.file.path", Freetext, Path), ("log.origin.file.name", Freetext, Path), ("log.origin.function", Freetext, Name),
        ("rule.name", Freetext, Name), ("package.name", Freetext, Name), ("service.name", Freetext, Name), ("service.type", Freetext, Name), ("eventsource", Freetext, Name), ("eventname", Freetext, Name), ("invokedby", Freetext, Name),
        ("channel", Freetext, Name), ("sourcename", Freetext, Name), ("provider_name", Freetext, Name), ("providername", Freetext, Name), ("source_name", Freetext, Name), ("sourcemodulename", Freetext, Name), ("sourcemoduletype", Freetext, Name),
        ("error.stack_trace", Freetext, Command), ("error.type", Freetext, Name), ("tags", Freetext, Name), ("_path", Freetext, Name), ("_index", Freetext, Name), ("@metadata.topic", Freetext, Name), ("@metadata.beat", Freetext, Name),
        ("as.organization.name", Freetext, Name), ("organization.name", Freetext, Name), ("asnorg", Freetext, Name), ("as_org", Freetext, Name), ("asn_org", Freetext, Name),
        ("isp", Freetext, Name), ("vendor", Freetext, Name), ("vendor_name", Freetext, Name), ("apigroup", Freetext, Name), ("apiversion", Freetext, Name),
        ("container.image.name", Freetext, Path), ("orchestrator.resource.name", Freetext, Name), ("kubernetes.pod.name", Freetext, Name), ("kubernetes.namespace", Freetext, Name),
        // Names of files and of things, as vendors write them.
        ("file_name", Freetext, Path), ("file_names", Freetext, Path), ("action_file_name", Freetext, Path), ("actor_process_image_name", Freetext, Path), ("causality_actor_process_image_name", Freetext, Path),
        ("os_actor_process_image_name", Freetext, Path), ("action_process_image_name", Freetext, Path), ("filenames", Freetext, Path), ("attachment_name", Freetext, Path), ("attachmentname", Freetext, Path),
        ("attachment_names", Freetext, Path), ("attachments.name", Freetext, Path), ("attachments", Freetext, Path), ("files.name", Freetext, Path), ("process_name", Freetext, Path),
        ("parent_process_name", Freetext, Path), ("parent_name", Freetext, Path), ("image_name", Freetext, Path), ("imagename", Freetext, Path), ("script_name", Freetext, Path),
        ("scriptname", Freetext, Path), ("module_name", Freetext, Path), ("modulename", Freetext, Path), ("old_file_name", Freetext, Path), ("target_file_name", Freetext, Path),
        ("source_file_name", Freetext, Path), ("process_image", Freetext, Path), ("executable_name", Freetext, Path), ("dll_name", Freetext, Path), ("driver_name", Freetext, Path),
        ("process", Freetext, Path), ("exe", Freetext, Path), ("proc", Freetext, Path), ("program", Freetext, Path), ("^comm", Freetext, Path),
        ("threat.name", Freetext, Name), ("malware", Freetext, Name), ("malware.name", Freetext, Name), ("virus.name", Freetext, Name), ("detection.name", Freetext, Name), ("threat_name", Freetext, Name), ("threatname", Freetext, Name), ("malware_name", Freetext, Name), ("malwarename", Freetext, Name), ("malware_family", Freetext, Name),
        ("virus_name", Freetext, Name), ("virusname", Freetext, Name), ("virus", Freetext, Name), ("detection_name", Freetext, Name), ("detectionname", Freetext, Name),
        ("signature_name", Freetext, Name), ("signaturename", Freetext, Name), ("service_name", Freetext, Name), ("servicename", Freetext, Name),
        ("app_name", Freetext, Name), ("appname", Freetext, Name), ("application_name", Freetext, Name), ("applicationname", Freetext, Name), ("package_name", Freetext, Name),
        ("packagename", Freetext, Name), ("product_name", Freetext, Name), ("productname", Freetext, Name), ("company_name", Freetext, Name), ("companyname", Freetext, Name),
        ("policy_name", Freetext, Name), ("policyname", Freetext, Name), ("policy", Freetext, Name), ("category", Freetext, Name), ("subcategory", Freetext, Name),
        ("@type", Freetext, Name), ("typeurl", Freetext, Name), ("type_url", Freetext, Name), ("class", Freetext, Name), ("class_name", Freetext, Name), ("function", Freetext, Name), ("func", Freetext, Name), ("operation", Freetext, Name), ("operation_name", Freetext, Name),
        ("operationname", Freetext, Name), ("event_name", Freetext, Name), ("event_type", Freetext, Name), ("eventtype", Freetext, Name), ("resource_type", Freetext, Name),
        ("resourcetype", Freetext, Name), ("account_name", Freetext, Name), ("samaccountname", Freetext, Name), ("display_name", Freetext, Name), ("displayname", Freetext, Name),
        ("method", Freetext, Name), ("caption", Freetext, Name), ("action", Freetext, Name), ("type", Freetext, Name), ("component", Freetext, Name), ("facility", Freetext, Name),
        ("subsystem", Freetext, Name), ("appcategory", Freetext, Name), ("task_name", Freetext, Name), ("taskname", Freetext, Name), ("job_name", Freetext, Name),
        ("jobname", Freetext, Name), ("group_name", Freetext, Name), ("groupname", Freetext, Name), ("role_name", Freetext, Name), ("rolename", Freetext, Name),
        // Versions and times.
        ("version", Freetext, Version), ("@version", Freetext, Nothing), ("unparsed_version", Freetext, Agent), ("deviceversion", Freetext, Version), ("productversion", Freetext, Version),
        ("user_agent.original", Freetext, Agent), ("user_agent", Freetext, Agent), ("useragent", Freetext, Agent), ("http_user_agent", Freetext, Agent), ("requestclientapplication", Freetext, Agent), ("user_agent.name", Freetext, Name),
        ("@timestamp", Freetext, Nothing), ("timestamp", Freetext, Nothing), ("event.created", Freetext, Nothing), ("event.ingested", Freetext, Nothing), ("event.start", Freetext, Nothing), ("event.end", Freetext, Nothing),
        ("timecreated", Freetext, Nothing), ("utctime", Freetext, Nothing), ("eventtime", Freetext, Nothing), ("eventreceivedtime", Freetext, Nothing), ("ts", Freetext, Nothing), ("_write_ts", Freetext, Nothing), ("eventtime", Freetext, Nothing), ("timegenerated", Freetext, Nothing),
        ("os.name", Freetext, Name), ("os.kernel", Freetext, Version), ("os.full", Freetext, Version), ("host.mac", Freetext, Nothing), ("source.mac", Freetext, Nothing), ("destination.mac", Freetext, Nothing), ("mac", Freetext, Nothing),
        ("container.image.tag", Freetext, Version), ("image.tag", Freetext, Version), ("image_tag", Freetext, Version), ("imagetag", Freetext, Version), ("tag", Freetext, Version),
        ("firmware", Freetext, Version), ("build", Freetext, Version), ("buildnumber", Freetext, Version), ("build_number", Freetext, Version),
        ("release", Freetext, Version), ("kernel", Freetext, Version), ("sigver", Freetext, Version), ("engine", Freetext, Version),
        ("virdb", Freetext, Version), ("avsigver", Freetext, Version), ("platform", Freetext, Version), ("os", Freetext, Version),
        ("osname", Freetext, Version), ("os_name", Freetext, Version), ("software", Freetext, Version), ("schema", Freetext, Version),
        ("revision", Freetext, Version), ("vdb", Freetext, Version),
        // Identifiers.
        ("token", Freetext, Id), ("csrf", Freetext, Id), ("csrf_token", Freetext, Id), ("api_key", Freetext, Id), ("apikey", Freetext, Id),
        ("access_token", Freetext, Id), ("refresh_token", Freetext, Id), ("hostgroups", Freetext, Id), ("host_groups", Freetext, Id), ("groups", Freetext, Id), ("aggregation_key", Freetext, Id), ("dedup_key", Freetext, Id), ("group_key", Freetext, Id), ("partition_key", Freetext, Id), ("session_key", Freetext, Id), ("license_key", Freetext, Id), ("public_key", Freetext, Id), ("ssh_key", Freetext, Id), ("authorization", Freetext, Id), ("proxy_authorization", Freetext, Id), ("__cursor", Freetext, Nothing), ("cursor", Freetext, Id), ("commit.sha", Freetext, Id), ("commit.id", Freetext, Id), ("head.sha", Freetext, Id), ("base.sha", Freetext, Id), ("vcs.revision", Freetext, Id), ("git.revision", Freetext, Id), ("git.sha", Freetext, Id), ("aid", Freetext, Id), ("cid", Freetext, Id), ("secret", Freetext, Id),
        ("message-id", Freetext, Nothing), ("messageid", Freetext, Nothing), ("message_id", Freetext, Nothing), ("msgid", Freetext, Nothing), ("internetmessageid", Freetext, Nothing), ("network_message_id", Freetext, Nothing),
        ("ja3_hash", Freetext, Nothing), ("ja3s_hash", Freetext, Nothing),
        ("trace.id", Freetext, Id), ("span.id", Freetext, Id), ("transaction.id", Freetext, Id), ("id", Freetext, Id), ("_id", Freetext, Id), ("uid", Freetext, Id), ("event.id", Freetext, Id), ("process.entity_id", Freetext, Id),
        ("event.hash", Freetext, Id), ("community_id", Freetext, Nothing), ("network.community_id", Freetext, Nothing), ("etag", Freetext, Id), ("session", Freetext, Id), ("cookie", Freetext, Id), ("nonce", Freetext, Id), ("fuid", Freetext, Id),
        ("xmlns", Freetext, Nothing), ("providerguid", Freetext, Nothing), ("keywords", Freetext, Nothing), ("accesskeyid", Freetext, Id), ("arn", Freetext, Id), ("principalid", Freetext, Id),
        // Free text by name, lest an ending mislead.
        ("^message", Freetext, Text), ("event.original", Freetext, Text), ("^msg", Freetext, Text),
    ]
};

/// Rules by the hash of their last segment; as long as a power of two, open addressing.
static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

struct Table {
    /// Index of the first rule with that segment, plus one.
    slots: Vec<u16>,
    /// Rules sorted by last segment, then by length of the path, longest first.
    rules: Vec<(&'static str, &'static str, bool, Field)>,
}

impl Table {
    fn new() -> Self {
        let mut rules: Vec<_> = RULES
            .iter()
            .map(|&(path, role, class)| {
                let whole = path.starts_with('^');
                let path = path.trim_start_matches('^');
                (path.rsplit('.').next().unwrap_or(path), path, whole, Field { role, class })
            })
            .collect();
        rules.sort_by_key(|&(last, path, whole, _)| (last, std::cmp::Reverse((path.len(), whole))));
        let size = (rules.len() * 4).next_power_of_two();
        let mut slots = vec![0_u16; size];
        for (index, rule) in rules.iter().enumerate() {
            if index > 0 && rules[index - 1].0 == rule.0 {
                continue;
            }
            let mut slot = hash(rule.0.as_bytes()) & (size - 1);
            while slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = u16::try_from(index + 1).unwrap_or(0);
        }
        Self { slots, rules }
    }
}

/// The first rule with this last segment.
fn first(last: &str) -> Option<usize> {
    let table = &*TABLE;
    let mask = table.slots.len() - 1;
    let mut slot = hash(last.as_bytes()) & mask;
    loop {
        let first = usize::from(table.slots[slot]).checked_sub(1)?;
        if table.rules.get(first)?.0.eq_ignore_ascii_case(last) {
            return Some(first);
        }
        slot = (slot + 1) & mask;
    }
}

/// The rule for `path`, whose last segment is `last`; case counts for nothing.
pub(super) fn find(path: &str, last: &str) -> Option<Field> {
    let rules = TABLE.rules.get(first(last)?..)?;
    let segment = rules.first()?.0;
    let mut same = rules.iter().take_while(|rule| rule.0 == segment);
    same.find(|rule| fits(path, rule.1, rule.2)).map(|rule| rule.3)
}

fn fits(path: &str, rule: &str, whole: bool) -> bool {
    let (path, rule) = (path.as_bytes(), rule.as_bytes());
    let Some(at) = path.len().checked_sub(rule.len()) else { return false };
    (at == 0 || (!whole && path[at - 1] == b'.')) && path[at..].eq_ignore_ascii_case(rule)
}

/// Letters of either case hash alike; long segments by their ends.
#[inline]
pub(super) fn hash(segment: &[u8]) -> usize {
    // Two reads that overlap cover up to sixteen bytes.
    let (head, tail) = if let (Some(head), Some(tail)) = (segment.first_chunk::<8>(), segment.last_chunk::<8>()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (segment.first_chunk::<4>(), segment.last_chunk::<4>()) {
        (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
    } else {
        (segment.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0)
    };
    const CASE: u64 = 0x2020_2020_2020_2020;
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = ((head | CASE) ^ segment.len() as u64).wrapping_mul(ODD).rotate_left(29) ^ (tail | CASE);
    (hash.wrapping_mul(ODD) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_its_own_path() {
        for &(path, role, class) in RULES {
            let path = path.trim_start_matches('^');
            let found = find(path, path.rsplit('.').next().unwrap());
            assert_eq!(found, Some(Field { role, class }), "{path}");
            assert_eq!(find(&path.to_uppercase(), &path.rsplit('.').next().unwrap().to_uppercase()), found, "{path}");
        }
    }
}
