// Brings the weights of a tile from the memory to the weight buffer. They lie in the order of use (group, block,
// channel, kernel row, kernel column, then the channels of the block), with no gap after a partly filled block.
module weight_loader #(
    parameter int POF = 4,  // weights of a beat
    parameter int WW = 8    // bits of a weight
) (
    input  logic              clk,        // clock
    input  logic              rst,        // reset, synchronous
    input  layer_t            cfg,        // layer
    input  tile_t             tile,       // tile to load, stable until `busy` falls
    input  logic              start,      // load it
    output logic              busy,       // under way
    output logic              req_valid,  // memory: a read is asked for
    input  logic              req_ready,  // and accepted
    output logic [      31:0] req_addr,   // its byte address
    output logic [       7:0] req_bytes,  // its bytes
    input  logic              rsp_valid,  // memory: an answer is there, in the order asked
    input  logic [POF*WW-1:0] rsp_data,   // its weights
    output logic              we,         // weight buffer: write POF weights
    output logic [      15:0] wr_word,    // word
    output logic [POF*WW-1:0] wr_data     // the weights
);
  localparam int BYTES = WW / 8;
  logic [15:0] group, of_left, k, asked;
  logic [31:0] addr, next_addr;
  logic accept, of_end, k_end, group_end;

  assign of_end = of_left <= 16'(POF);
  assign k_end = k == cfg.k_words - 16'd1;
  assign group_end = group == tile.groups - 16'd1;
  assign accept = req_valid && req_ready;
  assign req_addr = addr;
  assign req_bytes = (of_end ? of_left[7:0] : 8'(POF)) * 8'(BYTES);
  assign next_addr = addr + {24'd0, req_bytes};
  assign busy = req_valid || asked != wr_word;
  assign we = rsp_valid;
  assign wr_data = rsp_data;

  always_ff @(posedge clk) begin
    if (rst) req_valid <= 1'b0;
    else if (start) req_valid <= 1'b1;
    else if (accept && k_end && of_end && group_end) req_valid <= 1'b0;
    if (start && tile.rewind_weights) addr <= cfg.wt_base;
    else if (accept) addr <= next_addr;
    if (start || (accept && k_end)) k <= '0;
    else if (accept) k <= k + 16'd1;
    if (start) of_left <= tile.of_n;
    else if (accept && k_end) of_left <= of_end ? tile.of_n : of_left - 16'(POF);
    if (start) group <= '0;
    else if (accept && k_end && of_end) group <= group + 16'd1;
    if (rst || start) asked <= '0;
    else if (accept) asked <= asked + 16'd1;
    if (rst || start) wr_word <= '0;
    else if (rsp_valid) wr_word <= wr_word + 16'd1;
  end
endmodule
