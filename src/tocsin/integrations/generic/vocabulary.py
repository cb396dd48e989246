"""The names applications give to time, address, person and deed, most telling first; compared without case and signs."""

# Names are lower case without anything but letters and digits: ``user.id``, ``user_id`` and ``userId`` are all "userid".
TIME = (
    "timestamp", "eventtime", "time", "ts", "datetime", "eventdatetime", "eventtimestamp", "occurredat", "createdat", "datecreate",
    "loggedat", "publishedat", "published", "logtimestamp", "logintimestamp", "logintime", "signintime", "timestampms",
    "timeiso8601", "timelocal", "date", "eventdate", "createddate", "created", "eventcreated", "activitydate", "starttime",
    "startedat", "requesttime", "receivedat", "insertedat", "receivetimestamp", "timestampns", "timems", "unixtime", "epoch",
    "atsigntimestamp", "dateadded", "peventtime", "isotimestamp", "t", "when", "msec",
)  # fmt: skip
STAFF = ("staffid", "staff", "employeeid", "employee", "operatorid", "operator", "adminid", "adminuser", "adminusername",
         "admin", "agentid", "supportagent", "impersonator", "staffemail", "employeeemail")  # fmt: skip
USER_ID = (
    "userid", "useruid", "useruuid", "accountid", "accountuid", "account", "uid", "user", "actorid", "actoruid", "actoruserid",
    "actoruseruid", "principalid", "principal", "subjectid", "sub", "subject", "memberid", "subscriberid", "loginid",
    "performedby", "createdby", "requester", "actor", "identity", "whoid", "accountname", "userguid",
)  # fmt: skip
USER_NAME = ("email", "useremail", "actoremail", "emailaddress", "useremailaddress", "username", "loginname", "login",
             "actorname", "actorusername", "userprincipalname", "upn", "principalemail", "screenname",
             "actoralternateid", "accountemail", "whomail", "mail")  # fmt: skip
CUSTOMER_ID = ("customerid", "customer", "customeruid", "customeraccount", "patientid", "patient", "clientaccount",
               "clientaccountid")  # fmt: skip
TARGET = ("targetaccount", "targetaccountid", "targetuser", "targetuserid", "targetid", "target", "targetemail",
          "targetusername", "onbehalfof", "affecteduser", "affecteduserid", "recipientaccount", "subjectaccount")  # fmt: skip
ACTOR_TYPE = ("actortype", "actorkind", "usertype", "principaltype", "accounttype", "actorrole", "usercategory")
SESSION = ("sessionid", "session", "sessionuid", "sid", "sessiontoken", "actorsessionuid", "actorsessionid", "usersessionid",
           "sessionkey", "sess", "accesstoken", "tokenhash", "sessionhash")  # fmt: skip
CREDENTIAL = ("apikeyid", "keyid", "accesskeyid", "tokenid", "credentialid", "clientapikeyid", "oauthclientid")
CREDENTIAL_SECRET = ("apikey", "xapikey", "clientapikey")
ADDRESS = (
    "clientip", "remoteip", "remoteaddr", "srcip", "sourceip", "sourceipaddress", "ipaddress", "ip", "userip", "actorip",
    "clientipaddress", "clientaddress", "clientaddr", "actoripaddress", "remoteaddress", "loginip", "requestip", "callerip",
    "calleripaddress", "xrealip", "realip", "sourceaddress", "srcendpointip", "remotehost", "peerip", "httpclientip",
    "ipaddr", "addr", "networkclientip", "clienthost", "actorlocationip", "originip", "externalip", "client", "remote",
    "peer", "source", "address", "from",
)  # fmt: skip
FORWARDED = ("xforwardedfor", "forwardedfor", "httpxforwardedfor", "headersxforwardedfor")
AGENT = ("useragent", "httpuseragent", "ua", "useragentstring", "requestuseragent", "clientuseragent", "browseruseragent",
         "headersuseragent", "rawuseragent", "actoruseragent", "useragentoriginal")  # fmt: skip
DEVICE = ("deviceid", "deviceuid", "deviceuuid", "devicefingerprint", "fingerprint", "installationid", "clientdeviceid")
PLATFORM = ("platform", "clientplatform", "deviceplatform", "appplatform", "os", "deviceos", "clientos", "osname")
APP = ("appname", "clientname", "app", "application", "clientapp", "applicationname")
VERSION = ("appversion", "clientversion", "applicationversion", "appbuild", "buildversion", "clientappversion")
METHOD = ("httpmethod", "requestmethod", "method", "httprequestmethod", "verb", "clientrequestmethod", "reqmethod")
PATH = ("requesturi", "urlpath", "httppath", "requestpath", "path", "uri", "url", "requesturl", "httpurl", "httptarget",
        "target", "clientrequesturi", "clientrequestpath", "endpoint", "urloriginal", "rawpath", "requri",
        "requestline", "request")  # fmt: skip
ROUTE = ("route", "routetemplate", "httproute", "pathtemplate", "routepath", "urltemplate")
QUERY = ("querystring", "query", "urlquery", "args", "params", "clientrequestquery")
HOST = ("httphost", "urlhostname", "vhost", "requesthost", "virtualhost", "domain", "host", "hostname", "servername",
        "clientrequesthost")  # fmt: skip
REFERRER = ("referer", "referrer", "httpreferer", "httpreferrer", "requestreferer", "headersreferer")
CODE = ("httpstatus", "httpstatuscode", "statuscode", "responsestatus", "responsecode", "responsestatuscode", "status",
        "httpresponsestatuscode", "responsehttpstatus", "httpcode", "code", "edgeresponsestatus", "reshttpstatus",
        "resstatuscode")  # fmt: skip
SUCCESS = ("success", "successful", "loginsuccessful", "loginsuccess", "issuccess", "issuccessful", "succeeded", "ok",
           "outcome", "result", "eventoutcome", "outcomeresult", "authresult", "loginresult", "loginstatus", "resultstatus",
           "decision", "authsuccess", "accessresult", "eventstatus", "status")  # fmt: skip
DETAIL = ("failurereason", "reason", "errorcode", "errormessage", "error", "statusdetail", "statusreason", "outcomereason",
          "errorreason", "failure", "denialreason", "resultreason")  # fmt: skip
OPERATION = ("operation", "action", "eventname", "eventtype", "operationname", "event", "activity", "activityname", "op",
             "eventaction", "actionname", "apioperation", "methodname", "command", "messagetype", "eventtypename", "type",
             "logtype", "category", "eventkind", "activitytype", "querytype")  # fmt: skip
MESSAGE = ("message", "msg", "eventmessage", "logmessage", "text", "description", "log", "body")
SERVICE = ("service", "servicename", "module", "component", "logger", "system", "product")
OBJECT_TYPE = ("objecttype", "resourcetype", "entitytype", "targettype", "objectkind", "itemtype", "documenttype")
OBJECT_ID = ("objectid", "resourceid", "entityid", "resourceuid", "objectuid", "objectname", "resourcename", "resource",
             "object", "itemid", "entity")  # fmt: skip
OWNER = ("objectowner", "owner", "ownerid", "resourceowner", "resourceownerid", "dataowner", "datasubject",
         "objectownerid", "owneraccount")  # fmt: skip
CATEGORY = ("datacategory", "datatype", "dataclass", "dataclassification")
BYTES = ("bytesout", "bytessent", "bodybytessent", "responsebytes", "responsesize", "bytes", "size", "contentlength",
         "responsecontentlength", "reslength", "edgeresponsebytes")  # fmt: skip
DURATION_MS = (
    "durationms",
    "latencyms",
    "responsetimems",
    "elapsedms",
    "tookms",
    "timems",
    "durationmillis",
    "requesttimems",
)
COUNTRY = ("countrycode", "country", "geocountry", "geocountrycode", "ipcountry", "clientcountry", "geoipcountry",
           "geocountryisocode", "countryiso", "srccountry", "actorlocationcountrycode")  # fmt: skip
LATITUDE = ("latitude", "lat", "geolat", "geolocationlat", "geolatitude", "locationlatitude", "locationlat")
LONGITUDE = ("longitude", "lon", "lng", "long", "geolon", "geolocationlon", "geolongitude", "locationlongitude",
             "locationlon")  # fmt: skip
ASN = ("asn", "asnumber", "clientasn", "ipasn", "srcasn", "autonomoussystemnumber")
EVENT_ID = ("eventid", "eventuid", "eventuuid", "logid", "recordid", "eventguid", "messageuid", "auditid", "prowid")

# A name of these shapes names one thing, unless it is a name of the request itself.
NO_OBJECT = ("requestid", "traceid", "spanid", "correlationid", "parentid", "tenantid", "organizationid", "organisationid",
             "orgid", "appid", "clientid", "processid", "threadid", "pid", "transactionid", "groupid", "roleid", "teamid",
             "regionid", "zoneid", "connectionid", "workspaceid", "projectid", "companyid", "hostid", "nodeid", "logid",
             "rayid", "psourceid", "schemaid", "versionid", "id", "grid", "valid", "paid", "invalid", "android", "void",
             "impersonatorid", "browserid", "visitorid", "sequenceid", "jobid", "uniqueid", "customeruid")  # fmt: skip
